"""What a provider said is cut to a length, behind a whole letter: whoever reads it takes no half of one."""

from __future__ import annotations

import orjson
import pytest

from homa_shared.store import reads
from tests.transitions.cell import Cell

#: Words that a cut at any one byte would leave a half letter of.
LONG = [start + letter * 400 for letter in ("ü", "漢", "🙂") for start in ("", "x", "xx", "xxx")]


@pytest.mark.parametrize("words", LONG)
def test_events_and_ends_tell_whole_letters(cell: Cell, words: str) -> None:
    note = orjson.dumps({"error": words}).decode()
    cell.submit("a", deadline_ms=1_000_000)
    claim = cell.claim()
    cell.redis("HSET", cell.keys.job("a"), "dl", 1)
    assert str(cell.requeue(claim, note=note, health="account")) == "ended"
    (opened,) = [event for event in cell.run(reads.events(cell.keys)) if event.name == "breaker.opened"]
    assert words[:40] in opened.detail
    (ended,) = cell.run(reads.replies(cell.keys, ["a"]))
    assert ended is not None
    assert words[:40] in orjson.loads(ended)["error"]["message"]


@pytest.mark.parametrize("words", LONG)
def test_a_damaged_record_is_told_in_whole_letters(cell: Cell, words: str) -> None:
    cell.submit("a")
    cell.redis("HSET", cell.keys.job("a"), "mx", words)
    assert cell.taken() == []
    (ended,) = cell.run(reads.replies(cell.keys, ["a"]))
    assert ended is not None
    assert words[:10] in orjson.loads(ended)["error"]["message"]
