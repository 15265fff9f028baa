"""Reading order is import order, and each foreign library has one home."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house import tree

ORDER = """
    errors build formats fields box ops recipe rendition namespaces limits signing messages markup dialects
    picture hiding loglines walls workers locks
    placing metrics threads crew couch stores catalog deletions debts quarantine absences rests homes legacy originals settling
    fetching memo cache desk
    describing verdicts archive beside recalling making handing service ingest removal preparing
    importing migrating prerendering pruning jobs processing browser
    config web wiring
    client cli __main__
""".split()

# library: the only places in renderer/ that may know it
HOMES = {
    "PIL": ("picture", "ops"),
    "pyvips": ("picture/vips",),
    "pillow_heif": ("picture/opening",),
    "pebble": ("workers",),
    "prometheus_client": ("metrics/prometheus",),
    "statsd": ("metrics/statsd",),
    "boto3": ("stores/s3",),
    "botocore": ("stores/s3",),
    "couchdb": ("couch",),
    "urllib3": ("fetching/asking", "stores/s3"),
    "yaml": ("config",),
    "pydantic": ("config",),
    "flup": ("web/serve",),
    "flask": ("browser",),
    "thumbhash": ("picture",),
    "rich": ("cli",),
    "django": ("client/django",),
    "jinja2": ("client/jinja",),
}


def place(module: Path) -> str:
    """`renderer/ops/fit.py` is in `ops`, `renderer/box.py` in `box`."""
    return module.with_suffix("").parts[1]


@pytest.mark.parametrize("module", tree.modules("renderer"), ids=str)
def test_a_module_imports_only_from_those_before_it_in_the_reading_order(module: Path) -> None:
    own = place(module)
    assert own in ("__init__", *ORDER), f"{own} has no place in the reading order"
    before = ORDER[: ORDER.index(own) + 1] if own in ORDER else []
    uphill = []
    for line, name in tree.imports(module):
        head, _, rest = name.partition(".")
        wanted = rest.partition(".")[0]
        if head == "renderer" and wanted not in (*before, "", "__version__"):
            uphill.append(f"{module}:{line} imports {name}")
    assert not uphill


@pytest.mark.parametrize("module", tree.modules("renderer"), ids=str)
def test_imports_are_absolute_and_never_from_what_uses_the_renderer(module: Path) -> None:
    foreign = [name for _, name in tree.imports(module) if name.startswith((".", "scripts", "migrate", "bench", "tests"))]
    assert not foreign


@pytest.mark.parametrize("library", HOMES)
def test_a_library_has_one_home(library: str) -> None:
    strangers = []
    for module in tree.modules("renderer"):
        inside = "/".join(module.with_suffix("").parts[1:])
        at_home = any(inside == home or inside.startswith(f"{home}/") for home in HOMES[library])
        if not at_home and any(name.partition(".")[0] == library for _, name in tree.imports(module)):
            strangers.append(str(module))
    assert not strangers
