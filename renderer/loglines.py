"""How a process writes its log: text or JSON lines, standard error or a file. Small, for processes that are to be small."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any


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


@dataclass(frozen=True)
class Manner:
    """`level`: as logging names it; `format`: text or json; `file`: None for standard error."""

    level: str = "INFO"
    format: str = "text"
    file: str | None = None


def write(manner: Manner) -> None:
    """Have the root logger write so; OSError for a file that cannot be written. One that was renamed is begun anew."""
    if manner.file:
        Path(manner.file).parent.mkdir(parents=True, exist_ok=True)
    handler = WatchedFileHandler(manner.file) if manner.file else logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if manner.format == "json" else text)
    logging.basicConfig(level=manner.level, handlers=[handler], force=True)


def manner() -> Manner:
    """As this process writes."""
    root = logging.getLogger()
    handler = root.handlers[0] if root.handlers else None
    is_json = handler is not None and isinstance(handler.formatter, JsonLines)
    file = handler.baseFilename if isinstance(handler, logging.FileHandler) else None
    return Manner(logging.getLevelName(root.level), "json" if is_json else "text", file)
