"""What a reviewer thought of: two things go wrong at once, and still nothing is lost, nothing returns, and nobody is told otherwise."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from couchdb import client

from renderer.errors import StoreUnavailable
from renderer.migrating import COPIED, REMOVED
from renderer.settling import Settling
from renderer.stores import Facts
from renderer.stores.couchdb import Change, Changes, CouchSource
from tests.faults import Asked, asks, first, garble, status
from tests.migrating.conftest import Houses
from tests.migrating.house import STAMPS, OldHouse, key_of, photo
from tests.migrating.test_proving import attached
from tests.s3_faults import internal_error
from tests.waiting import wait_until


def with_couch_catalog(house: OldHouse) -> None:
    """As the runbook has it: a deletion takes the document too."""
    tree = yaml.safe_load(house.file.read_text())
    password = {"user": house.couch.user, "password": {"env": "OLD_PASSWORD"}}
    tree["catalog"] = {"kind": "couchdb", "url": house.couch.url, "database": house.title, **password}
    house.file.write_text(yaml.safe_dump(tree))


def mark_when(house: OldHouse, key: str) -> Callable[[Asked], None]:
    def mark(asked: Asked) -> None:
        if asks("GET", f"{key}/test.jpeg")(asked) and not house.database[key].get("deleted"):
            house.database[key] = house.database[key] | {"deleted": True}

    return mark


def moved(house: OldHouse) -> None:
    """Copied, verified, and out of CouchDB."""
    assert [house.run(step) for step in ("--run", "--verify", "--remove-attachments")] == [0, 0, 0]


def test_H_B12_a_document_that_is_marked_while_it_is_copied_stays(house: OldHouse) -> None:
    with_couch_catalog(house)
    [key] = house.fill(1)
    house.couch.before = mark_when(house, key)
    house.run("--run")
    assert key in house.database
    house.couch.before = None
    document = dict(house.database[key])
    del document["deleted"]
    house.database[key] = document
    assert house.run("--run") == 0
    assert house.stored() == {key: photo(0)}


def test_what_was_deleted_and_uploaded_again_before_we_came_to_it_stays(house: OldHouse) -> None:
    with_couch_catalog(house)
    keys = house.fill(2)
    assert house.run("--run") == 0
    house.save(key_of(photo(99)), ("n.jpg", photo(99), "image/jpeg"))
    house.database.delete(house.database[keys[0]])
    number = next(number for number in range(2) if key_of(photo(number)) == keys[0])

    def again(asked: Asked) -> None:
        if asks("GET", "n.jpg")(asked) and keys[0] not in house.database:
            house.save(keys[0], ("again.jpg", photo(number), "image/jpeg"))

    house.couch.before = again
    house.run("--run", "--jobs", "1")
    assert keys[0] in house.database
    assert keys[0] in house.stored()


def test_a_change_that_tells_no_document_is_no_deletion(house: OldHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    with_couch_catalog(house)
    keys = house.fill(2)
    assert house.run("--run") == 0
    house.database[keys[0]] = house.database[keys[0]] | {"title": ["x"]}
    real = CouchSource.changes

    def told(self: CouchSource, *arguments: Any) -> Changes:
        changes = real(self, *arguments)
        return Changes(tuple(Change(change.key, None) for change in changes.rows), changes.position)

    monkeypatch.setattr(CouchSource, "changes", told)
    house.run("--run")
    assert keys[0] in house.database
    assert keys[0] in house.stored()


def test_of_several_attachments_none_is_removed(house: OldHouse) -> None:
    key = house.save(key_of(photo(1)), ("a.jpg", photo(2), "image/jpeg"), ("b.jpg", photo(1), "image/jpeg"))
    assert [house.run(step) for step in ("--run", "--verify", "--remove-attachments")] == [0, 0, 1]
    assert house.database[key]["_attachments"].keys() == {"a.jpg", "b.jpg"}


def test_an_object_that_was_replaced_by_one_of_its_length_keeps_the_attachment(house: OldHouse) -> None:
    [key] = house.fill(1)
    assert [house.run(step) for step in ("--run", "--verify")] == [0, 0]
    house.put_object(key, photo(7), ContentType="image/jpeg")
    assert house.run("--remove-attachments") == 1
    assert attached(house) == {key}


def test_a_document_without_an_attachment_is_not_touched_by_a_removal(house: OldHouse) -> None:
    key = house.save(key_of(photo(1)), length=len(photo(1)))
    house.put_object(key, photo(1), ContentType="image/jpeg")
    assert house.run("--verify") == 0
    before = dict(house.database[key])
    assert house.run("--remove-attachments") == 0
    assert dict(house.database[key]) == before


def test_an_outage_during_a_verification_forgets_nothing(house: OldHouse) -> None:
    house.fill(2)
    moved(house)
    before = house.journal()
    assert {outcome.state for outcome in before.values()} == {REMOVED}
    house.s3.fault = lambda asked: internal_error()
    assert house.run("--verify", "--patience", "0.1") == 1
    house.s3.fault = None
    assert house.run("--run") == 0
    assert house.journal() == before


def test_an_object_that_is_lost_after_the_removal_is_said_and_its_revision_kept(house: OldHouse) -> None:
    [key] = house.fill(1)
    moved(house)
    revision = house.journal()[key].revision
    house.drop_object(key)
    assert [house.run("--verify"), house.run("--run")] == [1, 1]
    assert house.journal()[key].revision == revision


def test_since_a_sequence_ends_no_list(house: OldHouse) -> None:
    keys = house.fill(5)
    assert house.run("--run", "--limit", "2") == 0
    now = house.couch.sequences.spell(house.database.info()["update_seq"])
    late = house.save(key_of(photo(50)), ("late.jpg", photo(50), "image/jpeg"))
    assert house.run("--run", "--since", now) == 0
    assert house.run("--run") == 0
    assert house.stored().keys() == {*keys, late}


def test_documents_that_always_fail_do_not_stop_the_others_for_good(house: OldHouse) -> None:
    keys = house.fill(60)
    broken = keys[:55:6]
    corrupt = status(500, {"error": "file_corruption", "reason": "x"})
    house.couch.fault = lambda asked: corrupt if "test.jpeg" in asked.path and any(key in asked.path for key in broken) else None
    assert house.run("--run", "--patience", "0.1", "--jobs", "4") == 1
    assert house.run("--run", "--patience", "0.1", "--jobs", "4") == 1
    assert house.stored().keys() == set(keys) - set(broken)


def test_a_limit_is_not_used_up_by_what_always_fails(house: OldHouse) -> None:
    keys = house.fill(8)
    broken = set(keys[:2])
    house.couch.fault = lambda asked: garble() if "test.jpeg" in asked.path and any(key in asked.path for key in broken) else None
    for _ in range(6):
        house.run("--run", "--limit", "2", "--patience", "1")
    assert house.stored().keys() == set(keys) - broken


def test_accept_mismatch_may_be_said_later(house: OldHouse) -> None:
    key = house.save(key_of(b"other bytes"), ("a.jpg", photo(1), "image/jpeg"))
    assert house.run("--run") == 1
    house.namespace["accept_mismatch"] = True
    house.configure()
    assert house.run("--run") == 0
    assert house.stored() == {key: photo(1)}


def test_what_is_mended_is_fetched_and_put_once(house: OldHouse) -> None:
    [key] = house.fill(1)
    house.put_object(key, photo(0), ContentType="text/html")
    house.run("--run")
    assert house.run("--verify") == 1
    puts, fetched = house.s3.puts(f"{house.prefix}/{key}"), house.fetched(key)
    assert house.run("--run") == 0
    assert house.fetched(key) - fetched == 1
    assert house.s3.puts(f"{house.prefix}/{key}") - puts == 1


def test_a_document_that_is_deleted_while_nobody_can_look_takes_its_object_with_it(house: OldHouse) -> None:
    [key] = house.fill(1)
    looks = Counter[str]()

    def fault(asked: Asked) -> Any:
        if asked.method == "GET" and asked.place == f"/{house.title}/{key}":  # after the put
            looks[key] += 1
            if looks[key] == 1:
                house.database.delete(house.database[key])
                return status(503, "{}")
        return None

    house.couch.fault = fault
    house.run("--run")
    assert looks[key] >= 1
    assert house.stored() == {}


def test_what_was_put_before_a_kill_and_is_deleted_after_it_goes(house: OldHouse) -> None:
    keys = house.fill(3)
    process = house.begun("--run", "--jobs", "1", "--quiet")
    wait_until(lambda: len(house.s3.stored()) >= 1, 30, "an upload")
    process.kill()
    process.wait()
    done = [key for key in keys if key in house.stored()]
    for key in done:
        house.database.delete(house.database[key])
    assert house.run("--run") == 0
    assert house.stored().keys() == set(keys) - set(done)


def test_what_is_ours_stays_so_though_it_failed_in_between(house: OldHouse) -> None:
    [key] = house.fill(1)
    assert house.run("--run") == 0
    house.database[key] = house.database[key] | {"title": ["x"]}
    house.s3.fault = lambda asked: internal_error()
    assert house.run("--run", "--patience", "0.1") == 1
    house.s3.fault = None
    assert house.run("--run") == 0
    house.database.delete(house.database[key])
    assert house.run("--run") == 0
    assert house.stored() == {}


def test_a_deletion_that_fails_once_is_made_up_for(house: OldHouse) -> None:
    [key] = house.fill(1)
    assert house.run("--run") == 0
    house.database.delete(house.database[key])
    house.s3.fault = lambda asked: internal_error()
    assert house.run("--run", "--patience", "0.1") == 1
    house.s3.fault = None
    assert house.run("--run") == 0
    assert house.stored() == {}


def test_a_store_that_says_it_is_there_and_gives_nothing_is_not_identical(house: OldHouse) -> None:
    [key] = house.fill(1)
    assert house.run("--run") == 0
    gone = status(404, '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>x</Message></Error>')
    house.s3.fault = lambda asked: gone if asked.method == "GET" and key in asked.path else None
    assert house.run("--verify", "--deep") == 1


def test_what_both_sides_lost_after_the_copy_is_not_identical(house: OldHouse) -> None:
    [key] = house.fill(1)
    assert house.run("--run") == 0
    house.database.delete_attachment(house.database[key], "test.jpeg")
    house.drop_object(key)
    assert house.run("--verify") == 1


def test_a_new_document_in_conflict_wants_its_original_too(house: OldHouse, couch_server: str) -> None:
    key = house.save(key_of(photo(1)), length=len(photo(1)))
    winner = {"_id": key, "_rev": "9-ffffffffffffffffffffffffffffffff", "length": len(photo(1)), **STAMPS}
    client.Server(couch_server)[house.title].resource.post_json("_bulk_docs", body={"docs": [winner], "new_edits": False})
    assert house.run("--verify") == 1


def test_what_was_rolled_back_can_be_removed_again(house: OldHouse) -> None:
    [key] = house.fill(1)
    moved(house)
    house.database.put_attachment(house.database[key], photo(0), "test.jpeg", "image/jpeg")
    moved(house)
    assert attached(house) == set()


def test_a_low_rate_is_slow_and_not_impossible(house: OldHouse) -> None:
    large = photo(1) + os.urandom(250_000)
    key = house.save(key_of(large), ("a.jpg", large, "image/jpeg"))
    tree = yaml.safe_load(house.file.read_text())
    tree["stores"]["couch"]["timeout_seconds"] = 0.5
    house.file.write_text(yaml.safe_dump(tree))
    assert house.run("--run", "--rate", "0.06", "--patience", "1") == 0
    assert key in house.stored()


def settle(house: OldHouse, between: Callable[[Any], None]) -> None:
    """An original is served, then something happens, then its debt is due."""
    wiring = house.wiring()
    [key] = house.fill(1)
    with wiring.originals.local(house.ref(key)) as local:
        path = local.path
    between(path)
    wiring.workers.start()
    try:
        Settling(wiring.originals, wiring.debts, wiring.workers).pay()
    finally:
        wiring.workers.stop(0.5)


def test_a_copy_that_was_damaged_is_not_put_for_the_original(house: OldHouse) -> None:
    def harm(path: Any) -> None:
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-100])

    settle(house, harm)
    assert house.stored() in ({}, {key_of(photo(0)): photo(0)})


def test_what_was_deleted_elsewhere_before_its_debt_was_due_is_not_put(house: OldHouse) -> None:
    settle(house, lambda _: house.database.delete(house.database[key_of(photo(0))]))
    assert house.stored() == {}


def test_threads_get_their_own_answers_after_a_proxy_said_503(house: OldHouse) -> None:
    """The client gives a connection back twice after an error that is not JSON."""
    keys = house.fill(40)
    source = CouchSource("couch", house.couch.url_with_password, house.title, 2)
    source.couch.count()
    house.couch.fault = first(8, status(503, "<html>busy</html>"))
    wrong: list[str] = []
    errors = Counter[str]()

    def ask() -> None:
        for key in keys * 2:
            try:
                document = source.document(key)
            except StoreUnavailable as error:
                errors[error.reason] += 1
            else:
                wrong.extend([key] if document is None or document["_id"] != key else [])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert errors.total() <= 8


def test_newer_bytes_of_the_same_length_are_left_alone_where_no_name_tells(houses: Houses) -> None:
    house = houses(accept_mismatch=True)
    [key] = house.fill(1)
    tree = yaml.safe_load(house.file.read_text())
    tree["stores"]["archive"] = {"kind": "file", "root": str(house.root / "originals")}
    house.file.write_text(yaml.safe_dump(tree))
    (house.root / "newer").write_bytes(photo(7))
    house.wiring().originals.put(house.ref(key), house.root / "newer", Facts(len(photo(7)), 5))
    for step in ("--run", "--verify", "--run"):
        house.run(step)
    with house.wiring().originals.local(house.ref(key)) as local:
        assert local.path.read_bytes() == photo(7)


def test_a_database_that_is_never_quiet_does_not_keep_a_run_for_ever(house: OldHouse) -> None:
    [key] = house.fill(1)
    rounds = Counter[str]()

    def busy(asked: Asked) -> None:
        if asks("GET", "/_changes")(asked) and rounds[key] < 25:
            rounds[key] += 1
            house.database[key] = house.database[key] | {"title": [str(rounds[key])]}

    house.couch.before = busy
    assert house.run("--run") == 0
    assert rounds[key] < 25
    assert house.states() == {key: COPIED}
