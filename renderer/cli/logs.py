"""Where log lines go and what they look like, as the configuration says."""

from __future__ import annotations

import logging

from renderer import loglines
from renderer.config import Config


def configure(config: Config) -> None:
    """Set up the root logger as `log` in the configuration says."""
    settings = config.log
    loglines.write(loglines.Manner(settings.level.upper(), settings.format, str(settings.file) if settings.file else None))
    logging.getLogger("botocore").setLevel("WARNING")
