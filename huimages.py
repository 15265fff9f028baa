"""huImages' old name for its client library: `import huimages; huimages.save_image(…)`. All of it is in `renderer.client`."""

from __future__ import annotations

from renderer.client import *  # noqa: F403  # the names of its __all__
from renderer.client import __all__, __doc__  # noqa: F401  # so that `pydoc huimages` reads the same
