"""The way in: judged, named, stored, noted; what was made of replaced bytes is forgotten; and whoever was killed half-way may repeat it."""

from __future__ import annotations

import dataclasses
import errno
import io
import itertools
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from renderer.cache import Cache
from renderer.catalog import Catalog, Entry
from renderer.catalog.couchdb import CouchCatalog
from renderer.catalog.document import stamp
from renderer.catalog.memory import MemoryCatalog
from renderer.config import Config
from renderer.deletions import Deletions
from renderer.errors import BadRequest, BrokenOriginal, Conflict, NoSpace, StoreUnavailable, TooManyBytes
from renderer.formats import JPEG, PNG
from renderer.ingest import About, Ingest, Taken
from renderer.limits import Limits
from renderer.messages import Show
from renderer.originals import Home, Originals
from renderer.picture.engine import Engine
from renderer.picture.jobs import Job
from renderer.picture.render import render_all
from renderer.quarantine import Quarantine
from renderer.recipe import Output, Recipe
from renderer.rendition import NAMINGS, Namespace, Ref, Rendition
from renderer.stores import Store
from renderer.stores.file import FileStore
from renderer.stores.s3 import S3Store
from renderer.wiring import Wiring
from renderer.workers import Workers
from tests.e2e.site import OWN_TIME, encoded, jpeg, picture
from tests.servers import BUCKET, S3Server, unused_port

IMAGES, PATHS = Namespace("huimages", NAMINGS["sha1"]), Namespace("fitter", NAMINGS["path"])
WHOLE = Recipe.of([], Output(PNG))


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    workers = Workers(Engine(), processes=1)
    workers.start()
    yield workers
    workers.stop(2)


class House:
    """All that an ingest needs, below `root`; `wrap` may put something in front of each part."""

    def __init__(
        self, root: Path, workers: Workers, store: Store | None = None, catalog: Catalog | None = None,
        wrap: Callable[[Any], Any] = lambda part: part,
    ) -> None:  # fmt: skip
        self.root, self.workers = root, workers
        (root / "store").mkdir(parents=True, exist_ok=True)
        self.store = store or FileStore("disk", root / "store")
        self.catalog: Catalog = catalog or MemoryCatalog("catalog")
        self.cache, self.quarantine = Cache(root / "cache", "1"), Quarantine(root / "quarantine", {})
        self.cache.prepare()
        homes = {space.name: Home(space, wrap(self.store), f"{space.name}/") for space in (IMAGES, PATHS)}
        self.originals = Originals(homes, root / "copies", Limits(), wrap(Deletions(root / "deletions")))
        parts = self.originals, wrap(self.catalog), workers, wrap(self.cache), wrap(self.quarantine)
        self.ingest = Ingest(*parts, Limits(), root / "scratch")

    def take(self, content: bytes, space: Namespace = IMAGES, name: str = "", own_time: int = OWN_TIME, **more: Any) -> Taken:
        return self.ingest.take(space, io.BytesIO(content), own_time, name, **more)

    def entry(self, ref: Ref) -> Entry:
        """But for when it was last written."""
        entry = self.catalog.get(ref)
        assert entry is not None
        return dataclasses.replace(entry, mtime="")

    def state(self) -> dict[str, object]:
        """All that a take may leave."""
        folders = ("store", "cache/files", "cache/tmp", "scratch", "deletions")
        files = [path for folder in folders for path in (self.root / folder).rglob("*") if path.is_file()]
        found: dict[str, object] = {str(path.relative_to(self.root)): (path.read_bytes(), int(path.stat().st_mtime)) for path in files}
        refs = [ref for space in (IMAGES, PATHS) for ref in self.catalog.refs(space)]
        failed = {f"{record.namespace}/{record.name} failed": record.reason for record in self.quarantine}
        return found | failed | {str(ref): self.entry(ref) for ref in refs}


@pytest.fixture
def house(tmp_path: Path, workers: Workers) -> House:
    return House(tmp_path / "house", workers)


@pytest.fixture
def wiring(tmp_path: Path) -> Iterator[Wiring]:
    namespaces = {"huimages": {}, "fitter": {"naming": "path", "prefix": "f/"}}
    tree = {"namespaces": namespaces, "limits": {"max_original_bytes": 50_000}, "render": {"processes": 1}}
    wiring = Wiring(Config.of(tree, tmp_path))
    wiring.workers.start()
    yield wiring
    wiring.workers.stop(2)


@pytest.fixture
def ingest(wiring: Wiring) -> Ingest:
    return wiring.ingest


def space(wiring: Wiring, name: str) -> Namespace:
    return wiring.config.namespaces_built()[name]


def stored(wiring: Wiring) -> list[bytes]:
    root = wiring.config.root / "originals"
    return [path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()]


@pytest.mark.feature(42, 150)
def test_an_original_is_named_by_its_bytes_and_kept_as_it_was_given(wiring: Wiring, ingest: Ingest) -> None:
    content = jpeg(64, 48)
    taken = ingest.take(space(wiring, "huimages"), io.BytesIO(content), OWN_TIME)
    assert len(taken.ref.name) == 34
    assert taken.new
    assert (taken.header.format, taken.header.width, taken.header.height) == (JPEG, 64, 48)
    with wiring.originals.local(taken.ref) as local:
        assert (local.path.read_bytes(), local.time) == (content, OWN_TIME)


@pytest.mark.feature(43)
def test_the_same_bytes_again_are_stored_once_and_keep_their_time(wiring: Wiring, ingest: Ingest) -> None:
    content = jpeg(64, 48)
    first = ingest.take(space(wiring, "huimages"), io.BytesIO(content), OWN_TIME)
    again = ingest.take(space(wiring, "huimages"), io.BytesIO(content), OWN_TIME + 9)
    assert (again.ref, again.new) == (first.ref, False)
    assert stored(wiring) == [content]
    with wiring.originals.local(first.ref) as local:
        assert local.time == OWN_TIME


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", BrokenOriginal), (b"no picture", BrokenOriginal), (b"x" * 50_001, TooManyBytes)],
    ids=["empty", "no-picture", "too-large"],
)
def test_what_is_refused_leaves_nothing(wiring: Wiring, ingest: Ingest, content: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        ingest.take(space(wiring, "huimages"), io.BytesIO(content), OWN_TIME)
    assert stored(wiring) == []
    assert not list((wiring.cache.root / "tmp").iterdir())


class Endless(io.RawIOBase):
    """A stream without an end, and how much of it was read."""

    given = 0

    def read(self, size: int = -1) -> bytes:
        self.given += size
        assert self.given < 100_000_000, "read on and on"
        return b"x" * size


def test_R12_what_has_no_end_is_left_at_the_limit(wiring: Wiring, ingest: Ingest) -> None:
    stream = Endless()
    with pytest.raises(TooManyBytes):
        ingest.take(space(wiring, "huimages"), stream, OWN_TIME)
    assert stream.given < 3_000_000


def test_new_bytes_under_an_old_name_win_and_what_was_made_of_the_old_ones_is_gone(wiring: Wiring, ingest: Ingest) -> None:
    fitter = space(wiring, "fitter")
    ref = ingest.take(fitter, io.BytesIO(jpeg(64, 48)), OWN_TIME, "birds/emu.jpg").ref
    wish = Show(Rendition(ref, Recipe.of([], Output(PNG))), "whole.png")
    before = wiring.service.produce(wish).path.read_bytes()
    wiring.quarantine.strike(ref, "an old failure")
    ingest.take(fitter, io.BytesIO(encoded(picture(32, 24, seed=5), "PNG")), OWN_TIME + 5, "birds/emu.jpg")
    assert wiring.service.produce(wish).path.read_bytes() != before
    assert not list(wiring.quarantine)


# --- what is noted --------------------------------------------------------------------------------------------------------------------


@pytest.mark.feature(58)
def test_the_catalog_knows_what_was_told_and_what_was_read(house: House) -> None:
    content = jpeg(64, 48)
    about = About("Käse", ["product_image"], {"artnr": ["10106", "10107"]}, "Käse.jpg")
    entry = house.catalog.get(house.take(content, about=about).ref)
    assert entry is not None
    assert entry.mtime > "2020"
    told = {"titles": ("Käse",), "types": ("product_image",), "references": {"artnr": ("10106", "10107")}, "filename": "Käse.jpg"}
    read = {"width": 64, "height": 48, "length": len(content), "content_type": "image/jpeg", "ctime": stamp(OWN_TIME)}
    assert entry == Entry(mtime=entry.mtime, **told, **read)  # type: ignore[arg-type]


@pytest.mark.feature(59, 60)
def test_a_repeat_moves_mtime_and_adds_what_is_new(house: House) -> None:
    content = jpeg(64, 48)
    ref = house.take(content, about=About("first", ["a"], {"artnr": ["1"]}, "first.jpg")).ref
    house.catalog.change(ref, lambda entry: dataclasses.replace(entry or Entry(), mtime="20010101T000000.000000"))
    again = house.take(content, own_time=OWN_TIME + 9, about=About("second", ["a", "b"], {"artnr": ["1", "2"], "x": ["y"]}, "second.jpg"))
    assert not again.new
    entry = house.catalog.get(ref)
    assert entry is not None
    assert entry.mtime > "2020"
    assert (entry.ctime, entry.filename) == (stamp(OWN_TIME), "first.jpg")
    assert (entry.titles, entry.types) == (("first", "second"), ("a", "b"))
    assert entry.references == {"artnr": ("1", "2"), "x": ("y",)}
    house.take(content, about=About("second", ["b"], {"x": ["y"]}))
    assert house.entry(ref) == dataclasses.replace(entry, mtime="")


def test_what_was_called_deleted_and_is_given_again_is_there_again(house: House) -> None:
    content = jpeg(64, 48)
    ref = house.take(content).ref
    house.catalog.change(ref, lambda entry: dataclasses.replace(entry or Entry(), deleted=True))
    house.take(content)
    assert not house.entry(ref).deleted


def test_without_a_catalog_originals_are_taken_in_all_the_same(house: House) -> None:
    ingest = Ingest(house.originals, None, house.workers, house.cache, house.quarantine, Limits(), house.root / "scratch")
    ref = ingest.take(IMAGES, io.BytesIO(jpeg(64, 48)), OWN_TIME, about=About("lost")).ref
    assert house.originals.facts(ref) is not None


def test_a_catalog_that_is_down_is_reported_and_a_repeat_repairs(tmp_path: Path, workers: Workers) -> None:
    content = jpeg(64, 48)
    down = House(tmp_path / "house", workers, catalog=CouchCatalog("couch", f"http://127.0.0.1:{unused_port()}"))
    with pytest.raises(StoreUnavailable, match="couch"):
        down.take(content, about=About("title"))
    up = House(tmp_path / "house", workers)
    taken = up.take(content, about=About("title"))
    assert (taken.new, up.entry(taken.ref).titles) == (False, ("title",))
    assert list((tmp_path / "house/scratch").iterdir()) == []


def test_a_placeholder_is_made_at_once_where_it_is_asked_for(house: House) -> None:
    plain, shaded = house.take(jpeg(64, 48)), house.take(jpeg(64, 48, seed=2), placeholder=True)
    assert house.entry(plain.ref).placeholder == ""
    placeholder = house.entry(shaded.ref).placeholder
    assert len(placeholder) > 20
    house.take(jpeg(64, 48, seed=2))
    assert house.entry(shaded.ref).placeholder == placeholder


def test_a_picture_whose_pixels_allow_no_placeholder_is_taken_in_without(house: House) -> None:
    cut = jpeg(64, 48)[:700]
    ref = house.take(cut, placeholder=True).ref
    assert (house.entry(ref).width, house.entry(ref).placeholder) == (64, "")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(width=st.integers(1, 60), height=st.integers(1, 60), tag=st.integers(1, 8), form=st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF"]))
def test_the_sides_that_are_noted_are_those_of_the_picture_that_is_shown(
    house: House, width: int, height: int, tag: int, form: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = tag
    taken = house.take(encoded(picture(width, height, seed=tag), form, exif=exif))
    entry, target = house.entry(taken.ref), house.root / "shown"
    with house.originals.local(taken.ref) as local:
        render_all(local.path, [Job(WHOLE, target)], Engine())
    with Image.open(target) as shown:
        assert (entry.width, entry.height) == shown.size
    target.unlink()


# --- names that stay, and bytes that do not ---------------------------------------------------------------------------------------------


def test_new_bytes_under_an_old_name_are_described_anew(house: House) -> None:
    ref = house.take(jpeg(64, 48), PATHS, "birds/emu.jpg", placeholder=True, about=About("emu", filename="emu.jpg")).ref
    png = encoded(picture(32, 24), "PNG")
    assert house.take(png, PATHS, "birds/emu.jpg", about=About(filename="emu.png")).new
    entry = house.entry(ref)
    assert (entry.width, entry.height, entry.length, entry.content_type, entry.filename) == (32, 24, len(png), "image/png", "emu.png")
    assert (entry.titles, entry.placeholder) == (("emu",), "")


def test_a_name_that_is_taken_conflicts_where_only_what_is_new_is_wanted(house: House) -> None:
    first = house.take(jpeg(64, 48), PATHS, "emu.jpg", only_new=True)
    before = house.state()
    with pytest.raises(Conflict, match=r"fitter/emu\.jpg"):
        house.take(jpeg(64, 48, seed=2), PATHS, "emu.jpg", own_time=5, only_new=True, about=About("other"))
    assert first.new
    assert house.state() == before


def test_bytes_that_name_themselves_never_conflict(house: House) -> None:
    assert [house.take(jpeg(64, 48), only_new=True).new for _ in range(2)] == [True, False]


def test_bytes_that_name_themselves_replace_what_is_too_short_to_be_these(house: House) -> None:
    content = jpeg(64, 48)
    ref = house.take(content).ref
    (path,) = (path for path in (house.root / "store").rglob(ref.name) if path.is_file())
    path.write_bytes(content[:-100])
    assert house.take(content).new
    assert path.read_bytes() == content
    assert not house.take(content).new


def test_of_two_who_replace_at_once_the_entry_is_that_of_the_bytes_that_won(house: House) -> None:
    real = house.catalog.change
    with ThreadPoolExecutor(1) as pool:

        def interrupted(*values: Any) -> Entry:
            house.catalog.change = real  # type: ignore[method-assign]
            other = pool.submit(house.take, encoded(picture(32, 24), "PNG"), PATHS, "emu")
            wait([other], 0.5)  # it waits for us; if it did not, this is ample
            return real(*values)

        house.catalog.change = interrupted  # type: ignore[method-assign]
        house.take(jpeg(64, 48), PATHS, "emu")
    with house.originals.local(PATHS.ref("emu")) as local, Image.open(local.path) as shown:
        assert (house.entry(PATHS.ref("emu")).width, house.entry(PATHS.ref("emu")).height) == shown.size


def test_a_name_that_cannot_be_is_refused_before_anything_is_read(house: House) -> None:
    stream = Endless()
    with pytest.raises(BadRequest):
        house.ingest.take(PATHS, stream, OWN_TIME, "../emu.jpg")
    assert stream.given == 0


# --- whoever is killed may come again ---------------------------------------------------------------------------------------------------


class Mortal:
    """Passes calls on until `lives` are used up, and dies at the next: before it, or right after it."""

    def __init__(self, real: Any, lives: list[int], after: bool) -> None:
        self._real, self._lives, self._after = real, lives, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)

        def call(*values: Any) -> Any:
            self._lives[0] -= 1
            if self._lives[0] < 0 and not self._after:
                raise KeyboardInterrupt
            made = found(*values)
            if self._lives[0] < 0:
                raise KeyboardInterrupt
            return made

        return call if callable(found) else found


OLD, NEW = jpeg(64, 48), encoded(picture(32, 24), "PNG")


def test_a_full_disk_is_no_space_and_nothing_is_left(house: House) -> None:
    class Filling(io.BytesIO):
        """Brings more than there is room for: the disk of a test cannot be filled."""

        def read(self, *_: Any) -> bytes:
            raise OSError(errno.ENOSPC, "No space left on device")

    before = house.state()
    with pytest.raises(NoSpace):
        house.ingest.take(IMAGES, Filling(), OWN_TIME)
    assert house.state() == before


def take_anew(house: House) -> Ref:
    return house.take(NEW, about=About("new", filename="new.png"), placeholder=True).ref


def replace_old(house: House) -> Ref:
    return house.take(NEW, PATHS, "emu", about=About("new"), own_time=OWN_TIME + 5).ref


def create(house: House) -> Ref:
    with suppress(Conflict):
        house.take(NEW, PATHS, "free", about=About("new"), only_new=True)
    return PATHS.ref("free")


def prepare(root: Path, workers: Workers) -> House:
    """With an original under a name, a rendition of it, and records of failures."""
    house = House(root, workers)
    old = house.take(OLD, PATHS, "emu", about=About("old"), placeholder=True).ref
    rendition = house.cache.files / old.directory / "fit-1x1_q75.jpg"
    rendition.parent.mkdir(parents=True)
    rendition.write_bytes(b"of the old one")
    os.utime(rendition, (OWN_TIME, OWN_TIME))
    for ref in (old, IMAGES.ref(_name(NEW)), PATHS.ref("free")):
        house.quarantine.strike(ref, "an old failure")
    return house


def _name(content: bytes) -> str:
    hasher = IMAGES.naming.hasher()
    hasher.update(content)
    return IMAGES.naming.name_of(hasher.digest())


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("act", "steps"), [(take_anew, 4), (replace_old, 5), (create, 5)], ids=["hash", "replace", "create"])
def test_a_take_that_was_killed_anywhere_is_repaired_by_a_repeat(
    tmp_path: Path, workers: Workers, act: Callable[[House], Ref], steps: int, after: bool
) -> None:
    undisturbed = prepare(tmp_path / "undisturbed", workers)
    act(undisturbed)
    wanted, died = undisturbed.state(), 0
    for lives in itertools.count():
        house, left = prepare(tmp_path / f"{lives}", workers), [lives]
        mortal = House(house.root, workers, house.store, house.catalog, lambda part, left=left: Mortal(part, left, after))
        try:
            act(mortal)
        except KeyboardInterrupt:
            died += 1
            assert list((house.root / "scratch").iterdir()) == []
        act(house)
        assert house.state() == wanted, lives
        if left[0] >= 0:
            break
    assert died == steps


# --- in a store that is a server --------------------------------------------------------------------------------------------------------


@pytest.mark.feature(43, 44)
def test_s3_holds_one_object_by_the_id_with_its_type_sides_and_time(tmp_path: Path, workers: Workers, moto_server: S3Server) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = jpeg(64, 48, exif=exif)
    house = House(tmp_path, workers, S3Store("archive", prefix="taken", **moto_server.settings()))
    names = {house.take(content, own_time=OWN_TIME + number).ref.name for number in range(3)}
    assert len(names) == 1
    listed = moto_server.client().list_objects_v2(Bucket=BUCKET, Prefix="taken/")["Contents"]
    assert [entry["Key"] for entry in listed] == [f"taken/huimages/{names.pop()}"]
    head = moto_server.client().head_object(Bucket=BUCKET, Key=listed[0]["Key"])
    assert head["ContentType"] == "image/jpeg"
    assert head["Metadata"] == {"width": "48", "height": "64", "time": str(OWN_TIME)}  # upright


@pytest.mark.feature(45)
def test_H_B5_nobody_gets_an_original_from_s3_without_a_key(tmp_path: Path, workers: Workers, moto_server: S3Server) -> None:
    house = House(tmp_path, workers, S3Store("archive", prefix="private", **moto_server.settings()))
    key = f"private/huimages/{house.take(jpeg(64, 48)).ref.name}"
    url = f"{moto_server.endpoint_url}/{BUCKET}/{key}"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url)
    moto_server.client().put_object_acl(Bucket=BUCKET, Key=key, ACL="public-read")  # as huImages did: then it would be got
    with urllib.request.urlopen(url) as answer:
        assert answer.status == 200
