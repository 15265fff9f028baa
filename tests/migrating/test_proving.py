"""A verification says so only when it is so; and nothing leaves CouchDB that was not verified a moment ago."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from renderer.catalog.document import read
from renderer.cli import main
from renderer.crew import Crew
from renderer.migrating import COPIED, REMOVED, THERE, Outcome
from renderer.migrating.journal import opened
from renderer.migrating.removing import Removing
from renderer.migrating.running import LISTED
from renderer.stores.couchdb import CouchSource
from tests.faults import asks, garble
from tests.migrating.conftest import Houses
from tests.migrating.house import OldHouse, key_of, photo
from tests.servers import BUCKET

PATTERN = "huimages-verified-*.txt"


def report(house: OldHouse) -> str:
    """The newest."""
    return max((house.root / "migration").glob(PATTERN), key=lambda path: path.stat().st_mtime_ns).read_text()


def downloads(house: OldHouse) -> int:
    return sum(1 for method, path in house.s3.arrived if method == "GET" and "?" not in path)


def test_what_was_copied_is_proven_by_the_digests_of_both_sides_without_a_byte(
    house: OldHouse, capsys: pytest.CaptureFixture[str]
) -> None:
    house.fill(10)
    assert house.run("--run") == 0
    house.couch.seen.clear()
    house.s3.arrived.clear()
    assert house.run("--verify") == 0
    assert capsys.readouterr().err.endswith("10 of 10 identical\n")
    assert (house.fetched(), downloads(house)) == (0, 0)
    said = report(house)
    assert said.endswith("\n10 of 10 identical\n")
    assert "complete: yes" in said
    assert "admin" not in said


def test_a_deep_verification_reads_both_sides_and_has_the_same_digest(house: OldHouse) -> None:
    house.fill(4)
    assert house.run("--run") == 0
    assert house.run("--verify") == 0
    shallow = re.findall("sha256 [0-9a-f]{64}", report(house))
    house.couch.seen.clear()
    house.s3.arrived.clear()
    assert house.run("--verify", "--deep") == 0
    assert (house.fetched(), downloads(house)) == (4, 4)
    assert re.findall("sha256 [0-9a-f]{64}", report(house)) == shallow


def test_what_somebody_else_put_is_read_once_because_nobody_knows_its_SHA_1(house: OldHouse) -> None:
    [key] = house.fill(1)
    house.put_object(key, photo(0), ContentType="image/jpeg")
    assert house.run("--run") == 0
    house.couch.seen.clear()
    assert house.run("--verify") == 0
    assert house.fetched() == 1
    assert house.journal()[key].state == THERE
    house.couch.seen.clear()
    assert house.run("--verify") == 0
    assert house.fetched() == 0


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        pytest.param(lambda house, key: house.drop_object(key), "not in the store", id="missing"),
        pytest.param(lambda house, key: house.put_object(key, photo(0)[:-1]), r"expected \d+ bytes in the store", id="cut short"),
        pytest.param(lambda house, key: house.put_object(key, photo(7), ContentType="image/jpeg"), "expected SHA-1", id="other bytes"),
        pytest.param(
            lambda house, key: house.put_object(key, photo(0), ContentType="text/html"), "expected content type image/jpeg", id="type"
        ),
    ],
)
def test_what_is_not_identical_is_named_and_the_next_run_mends_it(house: OldHouse, harm: Any, sentence: str) -> None:
    keys = house.fill(3)
    assert house.run("--run") == 0
    harm(house, key_of(photo(0)))
    assert house.run("--verify") == 1
    said = report(house)
    assert said.endswith(f"\n{len(keys) - 1} of {len(keys)} identical\n")
    assert re.search(f'failed\t"{key_of(photo(0))}"\t".*{sentence}', said)
    assert house.run("--run") == 0
    assert house.run("--verify") == 0
    assert house.stored() == {key_of(photo(number)): photo(number) for number in range(3)}


def test_a_digest_that_lies_is_found_out_by_a_deep_verification(house: OldHouse) -> None:
    house.fill(2)
    assert house.run("--run") == 0
    house.s3.fault = lambda asked: garble() if asked.method == "GET" and key_of(photo(0)) in asked.path else None
    assert house.run("--verify") == 0
    assert house.run("--verify", "--deep", "--patience", "1") == 1
    assert report(house).endswith("\n1 of 2 identical\n")


def test_originals_that_cannot_be_moved_keep_it_from_being_complete(house: OldHouse) -> None:
    house.fill(2)
    house.save(key_of(b"other"), ("a.jpg", photo(8), "image/jpeg"))
    house.save("settings", ("logo.jpg", photo(9), "image/jpeg"))
    house.save(key_of(b"nothing"))
    house.run("--run")
    assert house.run("--verify") == 1
    said = report(house)
    assert said.endswith("\n2 of 4 identical\n")
    assert f'not what its name says\t"{key_of(b"other")}"' in said
    assert 'no name of an original\t"settings"' in said
    assert f'nothing attached\t"{key_of(b"nothing")}"' in said


def test_a_new_document_without_an_attachment_wants_its_original_in_the_store(house: OldHouse) -> None:
    key = house.save(key_of(photo(1)), filename="a.jpg", length=len(photo(1)), content_type="image/jpeg")
    assert house.run("--verify") == 1
    house.put_object(key, photo(1), ContentType="image/jpeg")
    assert house.run("--verify") == 0
    assert report(house).endswith("\n1 of 1 identical\n")


def test_what_a_new_document_promises_is_found_out_by_its_hash(house: OldHouse) -> None:
    key = house.save(key_of(photo(1)), filename="a.jpg", length=len(photo(1)), content_type="image/jpeg")
    house.put_object(key, photo(2), ContentType="image/jpeg")
    assert house.run("--verify") == 1
    assert "expected SHA-1" in report(house)


def test_one_of_several_attachments_is_compared_by_its_bytes(house: OldHouse) -> None:
    key = house.save(key_of(photo(1)), ("a.jpg", photo(2), "image/jpeg"), ("b.jpg", photo(1), "image/jpeg"))
    assert house.run("--run") == 0
    assert house.run("--verify") == 0
    house.put_object(key, photo(2), ContentType="image/jpeg")
    assert house.run("--verify") == 1


def test_an_object_whose_server_tells_no_MD5_is_read(exact_house: OldHouse) -> None:
    house = exact_house
    [key] = house.fill(1)
    assert house.run("--run") == 0
    client = house.s3.server.client()
    place = {"Bucket": BUCKET, "Key": f"{house.prefix}/{key}"}
    upload = client.create_multipart_upload(**place, ContentType="image/jpeg")["UploadId"]
    tag = client.upload_part(**place, UploadId=upload, PartNumber=1, Body=photo(0))["ETag"]
    client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": [{"ETag": tag, "PartNumber": 1}]})
    house.s3.arrived.clear()
    assert house.run("--verify") == 0
    assert downloads(house) == 1


def test_what_was_deleted_here_is_no_exception_and_not_counted(house: OldHouse) -> None:
    keys = house.fill(3)
    assert house.run("--run") == 0
    assert main(["delete", "--config", str(house.file), "--root", str(house.root), keys[0]]) == 0
    assert house.run("--verify") == 0
    assert report(house).endswith("\n2 of 2 identical\n")


def test_a_bucket_that_refuses_ends_a_verification_after_some(house: OldHouse, capsys: pytest.CaptureFixture[str]) -> None:
    house.fill(60)
    assert house.run("--run") == 0
    house.configure(access_key_id="AKIAOTHER")
    house.s3.arrived.clear()
    assert house.run("--verify", "--jobs", "2") == 1
    assert "stopped: " in capsys.readouterr().err
    assert len(house.s3.arrived) < 40
    assert "complete: no" in report(house)


def test_a_verification_that_was_cut_short_is_not_complete(house: OldHouse) -> None:
    house.fill(5)
    assert house.run("--run") == 0
    assert house.run("--verify", "--limit", "3") == 1
    assert "complete: no" in report(house)
    house.couch.stop()
    try:
        assert house.run("--verify", "--patience", "0.5") == 1
        assert "complete: no" in report(house)
    finally:
        house.couch.start()


def test_an_attachment_that_was_replaced_since_is_not_identical(house: OldHouse) -> None:
    [key] = house.fill(1)
    assert house.run("--run") == 0
    house.database.put_attachment(house.database[key], photo(5), "test.jpeg", "image/jpeg")
    assert house.run("--verify") == 1
    assert f'not what its name says\t"{key}"' in report(house)


# removing attachments


def attached(house: OldHouse) -> set[str]:
    return {row["id"] for row in house.database.view("_all_docs", include_docs=True).rows if row["doc"].get("_attachments")}


def test_attachments_go_when_they_were_verified_and_the_documents_stay(house: OldHouse, capsys: pytest.CaptureFixture[str]) -> None:
    keys = house.fill(3)
    before = {key: dict(house.database[key]) for key in keys}
    assert house.run("--run") == 0
    assert house.run("--verify") == 0
    assert house.run("--remove-attachments") == 0
    assert "undoable until the database is compacted" in capsys.readouterr().err
    assert attached(house) == set()
    for key in keys:
        after = dict(house.database[key])
        told = {"filename": "test.jpeg", "length": len(photo(0)), "content_type": "image/jpeg"}
        assert after == {name: value for name, value in before[key].items() if name != "_attachments"} | told | {"_rev": after["_rev"]}
        assert read(after).filename == read(before[key]).filename
        old = house.database.get(key, rev=house.journal()[key].revision, attachments=True)
        assert old["_attachments"]["test.jpeg"]["data"]  # until compaction
    assert {outcome.state for outcome in house.journal().values()} == {REMOVED}
    assert house.run("--run") == 0
    assert {outcome.state for outcome in house.journal().values()} == {REMOVED}
    assert house.run("--verify") == 0
    assert report(house).endswith("\n3 of 3 identical\n")
    house.drop_object(keys[0])
    assert house.run("--verify") == 1


def test_nothing_is_removed_that_was_not_verified(house: OldHouse, capsys: pytest.CaptureFixture[str]) -> None:
    keys = house.fill(2)
    assert house.run("--run") == 0
    assert house.run("--remove-attachments") == 0
    assert "nothing to remove: --verify first" in capsys.readouterr().err
    assert attached(house) == set(keys)


def test_a_document_that_changed_since_its_verification_is_refused(house: OldHouse, capsys: pytest.CaptureFixture[str]) -> None:
    keys = house.fill(2)
    assert house.run("--run") == 0
    assert house.run("--verify") == 0
    house.database[keys[0]] = house.database[keys[0]] | {"title": ["newer"]}
    assert house.run("--remove-attachments") == 1
    assert f"{keys[0]}: failed, expected a verification of this revision" in capsys.readouterr().err
    assert attached(house) == {keys[0]}


def test_a_document_that_changes_in_that_moment_is_refused(house: OldHouse) -> None:
    [key] = house.fill(1)
    assert house.run("--run") == 0
    assert house.run("--verify") == 0

    def retitle(asked: Any) -> None:
        if asks("PUT", key)(asked):
            house.database[key] = house.database[key] | {"title": ["newer"]}

    house.couch.before = retitle
    assert house.run("--remove-attachments") == 1
    assert attached(house) == {key}
    assert house.database[key]["title"] == ["newer"]


def test_an_object_that_is_gone_or_cut_short_since_keeps_its_attachment(house: OldHouse) -> None:
    keys = house.fill(3)
    assert house.run("--run") == 0
    assert house.run("--verify") == 0
    house.drop_object(keys[1])
    house.put_object(keys[2], b"short")
    assert house.run("--remove-attachments") == 1
    assert attached(house) == {keys[1], keys[2]}


@pytest.mark.parametrize(
    ("age", "is_removed"), [(86_000.0, True), (86_500.0, False), (-10.0, False)], ids=["fresh", "old", "a clock ran back"]
)
def test_a_verification_is_good_for_a_day(house: OldHouse, tmp_path: Path, age: float, is_removed: bool) -> None:
    [key] = house.fill(1)
    house.put_object(key, photo(0))
    source = CouchSource("couch", house.couch.url_with_password, house.title)
    moment, revision = time.time(), house.database[key]["_rev"]
    with opened(tmp_path / "j", dict.fromkeys(("namespace", "source", "store", "shard"), "x"), lambda: moment) as journal:
        journal.note(Outcome(key, COPIED, revision, len(photo(0)), "0" * 40), is_verified=True)
        journal.flush()
        crew = Crew(1)
        removing = Removing(source, house.wiring().originals.homes["huimages"], journal, crew, now=lambda: moment + age)
        states = [outcome.state == REMOVED for outcome in removing.outcomes()]
        crew.dismiss()
    assert states == [is_removed]
    assert (attached(house) == set()) == is_removed


def test_a_plan_reads_documents_and_nothing_else(house: OldHouse, capsys: pytest.CaptureFixture[str]) -> None:
    house.fill(9)
    house.save(key_of(b"x"), ("a.png", photo(20), "image/png"), ("b.jpg", photo(21), "image/jpeg"))
    house.save(key_of(b"y"))
    house.save("settings", ("notes.txt", b"text", "text/plain"))
    house.save(key_of(b"z"), ("e.gif", b"", "image/gif"), deleted=True)
    house.database["_design/all"] = {"views": {}}
    house.couch.seen.clear()
    house.s3.arrived.clear()
    assert house.run("--plan") == 0
    said = capsys.readouterr().err
    for sentence in (
        "14 documents in", "11 originals to move", "9 jpeg, 1 png, 1 other", "1 with several attachments", "1 without an attachment",
        "1 no name of an original: settings", "1 no picture by type and name: settings", "1 marked deleted", "1 CouchDB's own: _design/all",
        "estimated time: ",
    ):  # fmt: skip
        assert sentence in said
    assert house.fetched() == 0
    assert house.s3.arrived == []


def test_a_namespace_without_a_source_says_what_to_write(houses: Houses, capsys: pytest.CaptureFixture[str]) -> None:
    house = houses(legacy=[])
    assert house.run("--plan") == 2
    assert "namespaces.huimages.legacy: expected a source of kind couchdb" in capsys.readouterr().err


def test_a_journal_of_something_else_is_refused(house: OldHouse, capsys: pytest.CaptureFixture[str]) -> None:
    house.fill(1)
    assert house.run("--run") == 0
    house.prefix = "elsewhere"
    house.configure()
    assert house.run("--run") == 2
    assert "expected a journal of store" in capsys.readouterr().err


def test_a_journal_that_is_in_use_is_refused(house: OldHouse, capsys: pytest.CaptureFixture[str]) -> None:
    identity = dict.fromkeys(("namespace", "source", "store", "shard"), "x")
    with opened(house.root / "migration/huimages.sqlite", identity) as journal:
        assert house.run("--run") == 2
        assert journal.fact(LISTED) == ""
    assert "nobody else is using" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("--run", "--deep"), ("--verify", "--follow"), ("--plan", "--since", "1"), ("--run", "--follow", "--limit", "2"),
        ("--run", "--shard", "9/8"), ("--run", "--namespace", "nowhere"), ("--run", "--report", "x"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_options_that_do_not_go_together_are_refused(house: OldHouse, words: tuple[str, ...]) -> None:
    assert house.run(*words) == 2
    assert house.stored() == {}
