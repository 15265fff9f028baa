"""What a run copies, and what it does not: every document ends in its state, and no byte is anywhere it should not be."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from couchdb import client
from PIL import Image

from renderer.cli import main
from renderer.crew import GARBLED_TRIES
from renderer.migrating import COPIED, EMPTY, FAILED, GONE, MARKED, MISMATCH, ODD, THERE
from tests.e2e.site import encoded, picture
from tests.faults import Answer, Fault, always, asks, either, first, garble, garble_request, hang, sometimes, status, truncate
from tests.migrating.conftest import Houses, settings
from tests.migrating.house import CTIME, STAMPS, OldHouse, key_of, photo
from tests.s3_faults import internal_error, slow_down

PNG = encoded(picture(32, 24, 3), "PNG")


def metadata(found: Mapping[str, Any]) -> dict[str, str]:
    """rclone writes names in its own case."""
    return {name.lower(): value for name, value in found["Metadata"].items() if name.lower() in ("time", "width", "height")}


@pytest.mark.feature(44, 47)
def test_an_original_arrives_whole_and_named_by_its_content_and_its_attachment_stays(house: OldHouse) -> None:
    key = house.save(key_of(PNG), ("wrong name.txt", PNG, "text/plain"))
    assert house.run("--run") == 0
    assert house.stored() == {key: PNG}
    found = house.object(key)
    assert found["ContentType"] == "image/png"
    assert metadata(found) == {"time": str(CTIME), "width": "32", "height": "24"}
    assert house.database.get_attachment(key, "wrong name.txt").read() == PNG
    assert house.states() == {key: COPIED}


@pytest.mark.parametrize(
    "name", ["a b  c.jpg", "Ä/straße/日本語🦁.jpg", "100%/a%2Fb+c&d=e?f#g;h.jpg"], ids=["spaces", "umlauts, slashes", "escapes"]
)
def test_an_attachment_may_have_any_name(house: OldHouse, name: str) -> None:
    key = house.save(key_of(photo(1)), (name, photo(1), "image/jpeg"))
    assert house.run("--run") == 0
    assert house.stored() == {key: photo(1)}


def test_H_B10_every_odd_document_ends_in_a_state_of_its_own_and_stops_nothing(house: OldHouse) -> None:
    good = house.fill(3)
    zero = house.save(key_of(b""), ("empty.jpg", b"", "image/jpeg"))
    text = house.save(key_of(b"%PDF no picture"), ("a.pdf", b"%PDF no picture", "application/pdf"))
    bare = house.save(key_of(b"never attached"))
    marked = house.save(key_of(photo(10)), ("a.jpg", photo(10), "image/jpeg"), deleted=True)
    stray = house.save("settings", ("logo.jpg", photo(11), "image/jpeg"))
    house.save("notes")
    house.database["_design/all"] = {"views": {}}
    assert house.run("--run") == 1
    assert house.stored() == {key: photo(number) for number in range(3) for key in good if key == key_of(photo(number))} | {
        zero: b"", text: b"%PDF no picture",
    }  # fmt: skip
    assert house.object(text)["ContentType"] == "application/octet-stream"
    states = {zero: COPIED, text: COPIED, bare: EMPTY, marked: MARKED, stray: ODD, "notes": EMPTY}
    assert house.states() == dict.fromkeys(good, COPIED) | states


def test_of_several_attachments_the_one_whose_hash_is_the_name_is_copied(house: OldHouse) -> None:
    key = house.save(key_of(photo(1)), ("a.jpg", photo(2), "image/jpeg"), ("b.jpg", photo(1), "image/jpeg"))
    assert house.run("--run") == 0
    assert house.stored() == {key: photo(1)}


def test_an_original_that_only_a_losing_revision_has_is_not_lost(house: OldHouse, couch_server: str) -> None:
    key, other = house.save(key_of(photo(1)), ("a.jpg", photo(1), "image/jpeg")), client.Server(couch_server)[house.title]
    winner = {"_id": key, "_rev": "9-ffffffffffffffffffffffffffffffff", "title": ["a conflict"], **STAMPS}
    other.resource.post_json("_bulk_docs", body={"docs": [winner], "new_edits": False})
    assert not other[key].get("_attachments")
    assert house.run("--run") == 0
    assert house.stored() == {key: photo(1)}


def test_H_B5_what_is_not_what_its_name_says_is_told_and_never_put_there(house: OldHouse, capsys: pytest.CaptureFixture[str]) -> None:
    key, [good] = house.save(key_of(b"other bytes"), ("a.jpg", photo(1), "image/jpeg")), house.fill(1)
    assert house.run("--run") == 1
    assert house.stored() == {good: photo(0)}
    assert house.states() == {key: MISMATCH, good: COPIED}
    assert f"{key}: not what its name says, its bytes are those of {key_of(photo(1))}" in capsys.readouterr().err
    house.couch.seen.clear()
    assert house.run("--run") == 1
    assert house.fetched(key) == 0  # it would only be found to be the same


def test_a_collection_whose_names_were_no_hashes_is_moved_as_it_is(houses: Houses) -> None:
    house = houses(accept_mismatch=True)
    key = house.save(key_of(b"other bytes"), ("a.jpg", photo(1), "image/jpeg"))
    assert house.run("--run") == 0
    assert house.stored() == {key: photo(1)}


def test_what_is_there_already_is_not_downloaded_and_asked_for_by_one_listing(house: OldHouse) -> None:
    keys = house.fill(5)
    for number in range(5):
        house.put_object(key_of(photo(number)), photo(number))
    house.s3.arrived.clear()
    assert house.run("--run") == 0
    assert house.states() == dict.fromkeys(keys, THERE)
    assert house.fetched() == 0
    assert [method for method, _ in house.s3.arrived] == ["GET"]


def test_an_object_that_was_cut_short_is_put_again(house: OldHouse) -> None:
    [key] = house.fill(1)
    house.put_object(key, photo(0)[:-3])
    assert house.run("--run") == 0
    assert house.stored() == {key: photo(0)}


def test_an_object_with_other_bytes_is_left_alone_where_no_name_tells_who_is_right(houses: Houses) -> None:
    house = houses(accept_mismatch=True)
    [key] = house.fill(1)
    house.put_object(key, b"newer")
    assert house.run("--run") == 1
    assert house.stored() == {key: b"newer"}
    assert house.states() == {key: FAILED}


def test_an_object_of_the_same_length_and_other_bytes_is_put_again(house: OldHouse) -> None:
    [key] = house.fill(1)
    house.put_object(key, photo(1))
    assert house.run("--run") == 0
    assert house.stored() == {key: photo(0)}


def test_a_listing_that_is_wrong_about_a_digest_costs_a_question_and_no_byte(house: OldHouse) -> None:
    """S3 lists what a key has encrypted with an ETag that is no MD5, and does not say so there."""
    [key] = house.fill(1)
    house.put_object(key, photo(0))
    house.s3.fault = lambda asked: Retagged() if "list-type=2" in asked.path else None
    assert house.run("--run") == 0
    assert house.states() == {key: THERE}
    assert house.fetched() == 0


class Retagged(Fault):
    """Every digest in an answer is another."""

    def answered(self, answer: Answer) -> Answer:
        content = re.sub(rb"(<ETag>[^<]*?)[0-9a-f]{32}", rb"\g<1>" + b"0" * 32, answer.read())
        return replace(answer, blocks=[content], length=len(content))


def test_what_is_too_large_is_told_and_the_rest_is_copied(house: OldHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    [good] = house.fill(1)
    large = photo(1) + bytes(10_000)
    key = house.save(key_of(large), ("a.jpg", large, "image/jpeg"))
    monkeypatch.setenv("ONMISS_LIMITS__MAX_ORIGINAL_BYTES", "8000")
    assert house.run("--run") == 1
    assert house.states() == {good: COPIED, key: FAILED}
    monkeypatch.delenv("ONMISS_LIMITS__MAX_ORIGINAL_BYTES")
    assert house.run("--run") == 0
    assert house.stored() == {good: photo(0), key: large}


def test_twenty_megabytes_are_moved(house: OldHouse) -> None:
    large = photo(1) + bytes(20_000_000)
    key = house.save(key_of(large), ("a.jpg", large, "image/jpeg"))
    assert house.run("--run") == 0
    assert house.stored() == {key: large}


# deleted, before and during


def test_what_was_deleted_here_never_returns(house: OldHouse) -> None:
    first_key, second = house.fill(2)
    assert main(["delete", "--config", str(house.file), "--root", str(house.root), first_key]) == 0
    assert house.run("--run") == 0
    assert house.stored().keys() == {second}
    assert house.states() == {first_key: GONE, second: COPIED}


def test_a_document_that_is_deleted_while_its_bytes_are_copied_takes_them_with_it(house: OldHouse) -> None:
    [key] = house.fill(1)
    house.couch.before = lambda asked: house.database.delete(house.database[key]) if asks("GET", "test.jpeg")(asked) else None
    assert house.run("--run") == 0
    assert house.stored() == {}


def test_a_document_that_is_deleted_after_it_was_copied_takes_the_object_with_it(house: OldHouse) -> None:
    keys = house.fill(3)

    def delete(asked: Any) -> None:
        if asks("GET", "/_changes")(asked) and keys[1] in house.database:
            house.database.delete(house.database[keys[1]])

    house.couch.before = delete
    assert house.run("--run") == 0
    assert house.stored().keys() == {keys[0], keys[2]}


def test_what_somebody_else_put_outlives_its_document(house: OldHouse) -> None:
    """We know nothing of why it is there: it may have been put again."""
    [key] = house.fill(1)
    house.put_object(key, photo(0))
    assert house.run("--run") == 0
    house.database.delete(house.database[key])
    assert house.run("--run") == 0
    assert house.stored() == {key: photo(0)}


def test_what_somebody_puts_while_we_copy_outlives_its_document_too(house: OldHouse) -> None:
    [key] = house.fill(1)

    def meanwhile(asked: Any) -> None:
        if asks("GET", "test.jpeg")(asked):
            house.put_object(key, photo(0))
            house.database.delete(house.database[key])

    house.couch.before = meanwhile
    assert house.run("--run") == 0
    assert house.stored() == {key: photo(0)}


def test_a_document_that_is_changed_meanwhile_is_copied_once(house: OldHouse) -> None:
    keys = house.fill(2)

    def retitle(asked: Any) -> None:
        if asks("GET", f"{keys[0]}/test.jpeg")(asked):
            house.database[keys[0]] = house.database[keys[0]] | {"title": ["newer"]}

    house.couch.before = retitle
    assert house.run("--run") == 0
    assert house.stored().keys() == set(keys)
    assert house.fetched(keys[0]) == 1
    assert house.journal()[keys[0]].revision == house.database[keys[0]]["_rev"]


def test_what_is_uploaded_while_the_list_is_read_comes_with_the_changes_until_there_are_none(house: OldHouse) -> None:
    keys, late = house.fill(3), [key_of(photo(number)) for number in (97, 98, 99)]

    def upload(asked: Any) -> None:
        left = [number for number in (97, 98, 99) if key_of(photo(number)) not in house.database]
        if asks("GET", "/_changes")(asked) and left:
            house.save(key_of(photo(left[0])), ("late.jpg", photo(left[0]), "image/jpeg"))

    house.couch.before = upload
    assert house.run("--run") == 0
    assert house.stored().keys() == {*keys, *late}


def test_what_changed_but_for_its_bytes_is_neither_fetched_nor_verified_by_bytes_again(house: OldHouse) -> None:
    [key] = house.fill(1)
    assert house.run("--run") == 0
    house.database[key] = house.database[key] | {"title": ["newer"]}
    assert house.run("--run") == 0
    assert house.journal()[key].state == COPIED
    assert house.run("--verify") == 0
    assert house.fetched() == 1


# servers that are not well


@pytest.mark.feature(48)
def test_one_in_ten_answers_of_S3_is_an_error_and_everything_arrives(house: OldHouse) -> None:
    keys = house.fill(40)
    house.configure(**settings(attempts=1))
    house.s3.fault = either(sometimes(0.1, 1, internal_error()), sometimes(0.1, 2, slow_down()))
    assert house.run("--run", "--jobs", "4") == 0
    house.s3.fault = None
    assert house.stored() == {key_of(photo(number)): photo(number) for number in range(40)}
    assert house.states() == dict.fromkeys(keys, COPIED)


def test_S3_that_does_not_answer_in_time_is_asked_again(house: OldHouse) -> None:
    keys, silence = house.fill(6), hang()
    house.configure(**settings())
    house.s3.fault = sometimes(0.2, 3, silence)
    assert house.run("--run", "--jobs", "4") == 0
    silence.release()
    house.s3.fault = None
    assert house.stored().keys() == set(keys)


@pytest.mark.parametrize("fault", [truncate(1000), garble()], ids=["cut short", "garbled"])
def test_an_attachment_that_comes_otherwise_than_promised_is_asked_for_again(house: OldHouse, fault: Any) -> None:
    house.fill(10)
    house.couch.fault = sometimes(0.4, 4, fault, only=asks("GET", "test.jpeg"))
    assert house.run("--run", "--jobs", "4") == 0
    assert house.stored() == {key_of(photo(number)): photo(number) for number in range(10)}


def test_an_attachment_that_never_comes_as_promised_fails_alone(house: OldHouse) -> None:
    keys = house.fill(3)
    house.couch.fault = lambda asked: garble() if keys[1] in asked.path and "test.jpeg" in asked.path else None
    assert house.run("--run") == 1
    assert house.states() == {keys[0]: COPIED, keys[1]: FAILED, keys[2]: COPIED}
    house.couch.fault = None
    assert house.run("--run") == 0
    assert house.stored().keys() == set(keys)


def test_what_fails_for_a_while_is_tried_again_at_the_end_of_the_same_run(house: OldHouse) -> None:
    keys = house.fill(5)
    wrong = first(GARBLED_TRIES, garble(), only=asks("GET", f"{keys[0]}/test.jpeg"))
    house.couch.fault = wrong
    assert house.run("--run") == 0
    assert house.stored().keys() == set(keys)


def test_uploads_that_are_all_refused_end_it_after_some_and_the_next_run_misses_none(
    house: OldHouse, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    keys = house.fill(60)
    denied = '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'
    house.s3.fault = always(status(403, denied), only=asks("PUT"))
    assert house.run("--run", "--jobs", "2") == 1
    assert "stopped: " in capsys.readouterr().err
    assert house.fetched() < 40
    house.s3.fault = None
    assert house.run("--run") == 0
    assert house.stored().keys() == set(keys)


def test_an_upload_that_arrives_otherwise_than_sent_is_refused_by_its_MD5_and_sent_again(house: OldHouse) -> None:
    house.fill(3)
    house.s3.fault = first(2, garble_request(), only=asks("PUT"))
    assert house.run("--run", "--jobs", "1") == 0
    assert house.stored() == {key_of(photo(number)): photo(number) for number in range(3)}


def test_a_password_that_is_wrong_ends_it_at_once(
    house: OldHouse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    house.fill(2)
    monkeypatch.setenv("OLD_PASSWORD", "wrong")
    assert house.run("--run") == 1
    assert "Unauthorized" in capsys.readouterr().err
    assert house.stored() == {}


def test_a_bucket_that_refuses_ends_it_after_some_and_says_what_is_needed(house: OldHouse, capsys: pytest.CaptureFixture[str]) -> None:
    house.fill(30)
    house.configure(access_key_id="AKIAOTHER")
    assert house.run("--run", "--jobs", "2") == 1
    said = capsys.readouterr().err
    assert "stopped: " in said
    assert "s3:ListBucket" in said
    house.configure()
    assert house.run("--run") == 0
    assert len(house.stored()) == 30


def test_a_picture_is_described_upright(house: OldHouse) -> None:
    """Sides are those after the camera's orientation (decision 26 and feature 44)."""
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(64, 48, 1).save(turned, "JPEG", exif=exif)
    key = house.save(key_of(turned.getvalue()), ("a.jpg", turned.getvalue(), "image/jpeg"))
    assert house.run("--run") == 0
    assert metadata(house.object(key)) == {"time": str(CTIME), "width": "48", "height": "64"}
