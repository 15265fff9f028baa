"""Where log lines go and what they look like: text or JSON lines, standard error or a file."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from renderer.config import Config


class JsonLines(logging.Formatter):
    """One object a line; the fields of a miss are members of their own."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        fields = getattr(record, "fields", None)
        line.update(fields if fields else {"message": record.getMessage()})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure(config: Config) -> None:
    """Set up the root logger as `log` in the configuration says."""
    settings = config.log
    if settings.file:
        Path(settings.file).parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(settings.file) if settings.file else logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if settings.format == "json" else text)
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)
    logging.getLogger("botocore").setLevel("WARNING")
