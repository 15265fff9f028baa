"""All originals of a namespace, in the order of its store, however often the listing breaks off in between."""

from __future__ import annotations

from collections.abc import Iterator

from renderer.crew import Crew
from renderer.originals import Originals
from renderer.rendition import Namespace, Ref


def everything(originals: Originals, space: Namespace, crew: Crew) -> Iterator[Ref]:
    """A listing that broke off is begun again by `crew`'s patience, and goes on behind the last name that came."""
    home, last = originals.homes[space.name], ""

    def rest() -> Iterator[Ref]:
        """Keys come in byte order, which is that of Python's texts too."""
        return (ref for ref in originals.names(space) if not last or home.key(ref.name) > last)

    listing = rest()

    def following() -> Ref | None:
        nonlocal listing
        try:
            return next(listing, None)
        except Exception:
            listing = rest()  # the broken one has ended
            raise

    while ref := crew.patiently(following):
        last = home.key(ref.name)
        yield ref
