"""What the configuration says of rendering, seen by a client."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.conftest import MakeSite
from tests.e2e.site import Site, jpeg


def test_with_vips_a_miss_becomes_a_file_in_a_tree_of_its_own(make_site: MakeSite) -> None:
    site = make_site({"render": {"processes": 1, "resampler": "vips"}})
    site.start()
    path = f"/300x200!/{site.put(jpeg(1200, 900)).name}.jpeg"
    miss = site.get(path)
    assert (miss.status, miss["x-onmiss"], miss.picture().size) == (200, "miss", (300, 200))
    site.stop_renderer()
    assert site.get(path).comparable() == miss.comparable()
    assert list((site.config.cache.root / "files").glob("1-*")) == [site.config.cache.root / "files" / "1-vips"]


def test_an_animation_keeps_its_frames_unless_a_still_is_asked_for(site: Site) -> None:
    name = site.put(_animation(5)).name
    moving, still, jpg = (site.get(f"/i/huimages/{name}/fit-30x30{last}") for last in (".gif", "_s.gif", ".jpg"))
    assert [answer.status for answer in (moving, still, jpg)] == [200, 200, 200]
    assert [_frames(answer.body) for answer in (moving, still, jpg)] == [5, 1, 1]


def test_a_watermark_is_drawn_where_it_is_configured_and_refused_where_not(make_site: MakeSite, tmp_path: Path) -> None:
    Image.new("RGB", (10, 10), "red").save(tmp_path / "logo.png")
    site = make_site({"watermarks": {"logo": {"file": str(tmp_path / "logo.png"), "percent": 50, "opacity": 100, "gravity": "se"}}})
    site.start()
    name = site.put(jpeg(400, 400)).name
    marked = site.get(f"/i/huimages/{name}/fit-100x100_watermark-logo_q90.jpg")
    assert marked.status == 200, marked.body
    red, green, blue = marked.picture().getpixel((80, 80))  # type: ignore[misc]
    assert (red > 240, green < 15, blue < 15) == (True, True, True)
    refused = site.get(f"/i/huimages/{name}/fit-100x100_watermark-other_q90.jpg")
    assert (refused.status, refused.body) == (400, b"expected a configured watermark, got 'other'\n")


def test_R4_heic_is_refused_until_it_is_switched_on(make_site: MakeSite) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    content = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 64), "green")).save(content, format="HEIF")
    site = make_site()
    ref = site.put(content.getvalue())
    site.start()
    path = f"/30x30/{ref.name}.jpeg"
    assert site.get(path).status == 415
    site.close()
    accepting = make_site({"render": {"processes": 1, "accept": ["heic"]}})
    accepting.put(content.getvalue())
    accepting.start()
    assert (accepting.get(path).status, accepting.get(path).picture().size) == (200, (30, 30))


def _animation(frames: int) -> bytes:
    pictures = [Image.new("RGB", (60, 40), (40 * number, 255 - 40 * number, 99)) for number in range(frames)]
    content = io.BytesIO()
    pictures[0].save(content, "GIF", save_all=True, append_images=pictures[1:], duration=100, loop=0)
    return content.getvalue()


def _frames(content: bytes) -> int:
    return int(getattr(Image.open(io.BytesIO(content)), "n_frames", 1))
