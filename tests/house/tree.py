"""The project's own files, read once for all rules of the house."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
CODE = ("renderer", "scripts", "migrate", "bench")  # folders of what is run
FOLDERS = (*CODE, "tests", "nginx", "docs")
_ALONE = ("setup.py", "huimages.py", "pyproject.toml", "Makefile", "README.md", "CHANGELOG.md", ".ci/run", "constraints.txt")
_PICTURES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".tif", ".bmp", ".ico", ".pyc")


def files() -> list[Path]:
    """Every text file of the project, relative to its top."""
    found = [Path(name) for name in _ALONE if (TOP / name).is_file()]
    for folder in FOLDERS:
        found += sorted(file.relative_to(TOP) for file in (TOP / folder).rglob("*") if _is_ours(file))
    return found


def _is_ours(file: Path) -> bool:
    return file.is_file() and file.suffix not in _PICTURES and not {"__pycache__", ".mypy_cache"} & set(file.parts)


def modules(*folders: str) -> list[Path]:
    return [file for file in files() if file.suffix == ".py" and file.parts[0] in folders]


@functools.cache
def text(file: Path) -> str:
    return (TOP / file).read_text(encoding="utf-8")


@functools.cache
def tree(file: Path) -> ast.Module:
    return ast.parse(text(file), str(file))


def functions(file: Path) -> Iterator[tuple[str, int]]:
    """Name and number of lines of each function, decorators not counted."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{file}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each import, those inside functions and under TYPE_CHECKING too."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
