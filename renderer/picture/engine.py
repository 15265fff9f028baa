"""What this installation's render processes shall do besides the recipe: a plain value that is sent to them with every call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from renderer.formats import Format
from renderer.limits import Limits
from renderer.ops.raster import Mark


@dataclass(frozen=True)
class Engine:
    """`resampler`: `pillow` or `vips`; both make the same sizes and, to the eye, the same pixels, but not the same bytes.

    `accepted`: names of formats read besides those that always are. `show_truncated`: a JPEG that ends too early is shown as far as it
    goes. `marks`: watermarks by name.
    """

    limits: Limits = field(default_factory=Limits)
    resampler: str = "pillow"
    accepted: frozenset[str] = frozenset()
    show_truncated: bool = False
    marks: Mapping[str, Mark] = field(default_factory=dict)

    def reads(self, form: Format) -> bool:
        return not form.optional or form.name in self.accepted

    def reads_as(self) -> dict[str, str]:
        """What decides, besides the codecs, whether an original can be read: when it changes, what failed before is tried again."""
        return {"accepted": " ".join(sorted(self.accepted)), "truncated": "show" if self.show_truncated else "reject"}
