"""Renditions made ahead are kept in the remote store before their maker is told that they are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from renderer.errors import StoreUnavailable
from renderer.messages import Wish
from renderer.preparing import Preparing, first_failure
from renderer.service import Produced
from tests.machines import LIMITS, REF, CountingWorkers, Machine, RecordedMemory, own, show, workers

__all__ = ["own", "workers"]  # fixtures


@pytest.mark.feature(115)
def test_what_the_store_does_not_take_is_not_said_to_be_there(tmp_path: Path, workers: CountingWorkers, own: RecordedMemory) -> None:
    far = RecordedMemory("far")
    machine = Machine(tmp_path / "one", workers, own, far)
    preparing, wished = Preparing(machine.service, machine.archive, LIMITS), show(20)
    wish = Wish(wished.rendition.recipe, wished.wish, wished.alias, wished.archived)

    def refuse(call: str, file: str) -> None:
        if call == "put":
            raise StoreUnavailable("far", "it takes nothing")

    far.before = refuse
    assert isinstance(first_failure(preparing.prepare(REF, [wish])), StoreUnavailable)
    far.before = lambda call, file: None
    (prepared,) = preparing.prepare(REF, [wish])
    assert isinstance(prepared.outcome, Produced)
    assert wished.archived in far.files()
    assert [each.outcome for each in preparing.prepare(REF, [wish], only_missing=True)] == [None]
