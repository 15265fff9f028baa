"""One YAML file and the environment to one frozen Config. The only importer of yaml; nothing after it reads the environment."""

from __future__ import annotations

from renderer.config.model import Config

__all__ = ["Config"]
