"""A machine that serves an md5 namespace: real render processes, a cache of its own, and stores that it shares with others and that record
what they were asked.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from renderer.archive import Archive
from renderer.beside import Besides
from renderer.box import Box
from renderer.cache import Cache
from renderer.deletions import Deletions
from renderer.describing import Describing
from renderer.formats import JPEG, Format
from renderer.ingest import Ingest
from renderer.limits import Limits
from renderer.messages import Show
from renderer.ops import Fit
from renderer.originals import Home, Originals
from renderer.picture.engine import Engine
from renderer.picture.jobs import Job, Made
from renderer.quarantine import Quarantine
from renderer.recipe import INFO, Beside, Output, Recipe
from renderer.removal import Removal
from renderer.rendition import NAMINGS, Alias, Namespace, Ref, Rendition
from renderer.service import Bounds, Service
from renderer.stores import Facts, Store
from renderer.stores.memory import MemoryStore
from renderer.stores.s3 import S3Store
from renderer.workers import Workers

SPACE = Namespace("p", NAMINGS["md5"])
BORN = 1_000_000_000  # the original's own time
GENERATION = "1-vips"
LIMITS = Limits(max_original_bytes=100_000)


def picture(size: tuple[int, int] = (80, 60)) -> bytes:
    content = io.BytesIO()
    Image.linear_gradient("L").resize(size).save(content, "JPEG")
    return content.getvalue()


PICTURE = picture()
REF = SPACE.ref(hashlib.md5(PICTURE).hexdigest())
PLACE = "/".join(("p", REF.name[:3], REF.name[3:6], REF.name[6:9], REF.name[9:]))


class Recorded:
    """What was asked of a store, as (call, last part of the key). `before` is called first, and may wait or raise."""

    def __init__(self, *arguments: object, **settings: object) -> None:
        super().__init__(*arguments, **settings)
        self.calls: list[tuple[str, str]] = []
        self.before: Callable[[str, str], object] = lambda call, file: None

    def note(self, call: str, key: str) -> None:
        file = key.rpartition("/")[2]
        self.calls.append((call, file))
        self.before(call, file)

    def count(self, call: str, file: str = "") -> int:
        return sum(1 for called, of in self.calls if called == call and (not file or of == file))

    def get(self, key: str, target: Path, max_bytes: int) -> Facts | None:
        self.note("get", key)
        return super().get(key, target, max_bytes)

    def facts(self, key: str) -> Facts | None:
        self.note("facts", key)
        return super().facts(key)

    def put(self, key: str, source: Path, facts: Facts, only_new: bool = False) -> bool:
        self.note("put", key)
        return super().put(key, source, facts, only_new)

    def delete(self, key: str) -> bool:
        self.note("delete", key)
        return super().delete(key)

    def names(self, prefix: str = "") -> Iterator[str]:
        self.note("names", prefix)
        return super().names(prefix)

    def files(self, ref: Ref = REF) -> set[str]:
        """What stands beside an original, itself included."""
        return {key.rpartition("/")[2] for key in self.names(Home(ref.namespace, self).beside_key(ref.name, ""))}


class RecordedMemory(Recorded, MemoryStore):
    pass


class RecordedS3(Recorded, S3Store):
    pass


class CountingWorkers(Workers):
    """Real ones; `rendered`: recipes, in order."""

    def __init__(self) -> None:
        super().__init__(Engine(LIMITS), processes=1, seconds=20)
        self.rendered: list[str] = []

    def render(self, original: Path, jobs: Sequence[Job]) -> list[Made | Exception]:
        self.rendered += [job.recipe.spell() for job in jobs]
        return super().render(original, jobs)


@contextmanager
def working() -> Iterator[CountingWorkers]:
    workers = CountingWorkers()
    workers.start()
    try:
        yield workers
    finally:
        workers.stop(3)


@dataclass
class Machine:
    """`own`: the namespace's store, `far`: the one of renditions; it may be the same."""

    directory: Path
    workers: CountingWorkers
    own: RecordedMemory
    far: Recorded | None
    space: Namespace = SPACE
    generation: str = GENERATION
    pauses: Sequence[float] = (0.0, 0.0)
    most_queued: int = 100
    wait_seconds: float = 10
    relieved: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cache = Cache(self.directory / "cache", self.generation)
        self.cache.prepare()
        homes = {self.space.name: Home(self.space, self.own, renditions=self.far)}
        self.originals = Originals(homes, self.directory / "copies", LIMITS, Deletions(self.directory / "deletions"))
        self.quarantine = Quarantine(self.directory / "quarantine", {})
        self.archive = Archive(homes, self.cache, LIMITS.max_original_bytes, self.pauses, threads=1, most_queued=self.most_queued)
        self.besides = Besides(self.originals, self.cache, LIMITS, self.wait_seconds)
        self.service = Service(
            self.cache, self.originals, Describing(None, self.workers), self.workers, self.quarantine, LIMITS, (), Bounds(8, 8, 10),
            self.relieved.append, self.archive, self.besides,
        )  # fmt: skip
        self.removal = Removal(self.originals, None, self.cache, self.quarantine, self.wait_seconds, self.archive, self.besides)
        self.ingest = Ingest(
            self.originals, None, self.workers, self.cache, self.quarantine, LIMITS, self.directory / "scratch", self.archive
        )  # fmt: skip

    def temporaries(self) -> list[Path]:
        return [path for place in ("cache/tmp", "copies") for path in (self.directory / place).glob("*") if path.is_file()]


def put(store: Store, directory: Path, file: str, content: bytes, **facts: object) -> None:
    """Beside the original, or as it."""
    source = directory / "source"
    source.write_bytes(content)
    store.put(f"{PLACE}/{file}", source, Facts(len(content), BORN, **facts))


def show(width: int = 20, archived: str = "", form: Format = JPEG, ref: Ref = REF) -> Show:
    """As image-server's URLs have it; `archived`: '' for `w20.jpg`."""
    name = f"w{width}.{form.extension}"
    recipe = Recipe.of([Fit(Box(width, 0))], Output(form, 75))
    return Show(Rendition(ref, recipe), name, Alias(f"~{name.partition('.')[0]}", form.extension), archived=archived or name)


def show_file(name: str, alias: Alias | None = None, ref: Ref = REF) -> Show:
    return Show(Rendition(ref, Beside(name)), name, alias)


def show_info(ref: Ref = REF) -> Show:
    return Show(Rendition(ref, INFO), INFO.name, archived=INFO.name)


@pytest.fixture(scope="module")
def workers() -> Iterator[CountingWorkers]:
    with working() as started:
        yield started


@pytest.fixture
def own(tmp_path: Path) -> RecordedMemory:
    """The namespace's own store, with one original."""
    store = RecordedMemory("own")
    put(store, tmp_path, "original", PICTURE)
    store.calls.clear()
    return store
