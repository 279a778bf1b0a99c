"""Replies told together: what is not plain is left to be told by itself, and sinks no other."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from homa_shared.calls.failures import Charge
from homa_shared.model.records import State
from homa_shared.store.transitions.attempts import Claim, Settlement
from tests.transitions.cell import Cell
from tests.transitions.settlements import OK, contents, running, settlement, together

#: What a report of a good reply may say, and what makes it one that is told by itself.
ODD: list[dict[str, Any]] = [
    {"outcome": "cached"},
    {"outcome": None},
    {"charge": "unresolved"},
    {"charge": "none"},
    {"health": "bad"},
    {"health": ""},
    {"freeze_ms": 5},
    {"freeze_ms": -1},
    {"worker": None},
    {"worker": ["w"]},
    {"worker": "another"},
    {"target": None},
    {"target": 5},
    {"terms": 5},
    {"terms": []},
    {"nano": "much"},
    {"nano": 7},
    {"nano": "1e300"},
    {"nano": []},
    *({amount: odd} for amount in ("input", "output", "cached", "written", "saved") for odd in ({}, "x", 1e300, True)),
    *({many: odd} for many in ("used", "limits", "fees") for odd in (5, "x", {"r": "x"}, {"r": []}, {"r": -1e300})),
]


def told(claim: Claim, **odd: Any) -> Settlement:
    """A good reply of which some is told otherwise; None leaves it out."""
    plain = settlement(claim)
    report = orjson.loads(plain.report) | odd
    return Settlement(plain.name, plain.reply, orjson.dumps({k: v for k, v in report.items() if v is not None}))


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_a_report_that_is_not_plain_is_left_alone(cell: Cell, odd: dict[str, Any]) -> None:
    a, b, c = running(cell, "a", "b", "c")
    before = contents(cell)[b"j:b"]
    assert together(cell, settlement(a), told(b, **odd), settlement(c)) == [OK, None, OK]
    assert contents(cell)[b"j:b"] == before
    cell.settle(b)


@pytest.mark.parametrize("report", [b"no json", b"[1]", b'"text"', b"null", b"{}"])
def test_what_is_no_report_is_left_alone(cell: Cell, report: bytes) -> None:
    a, b, c = running(cell, "a", "b", "c")
    answers = together(cell, settlement(a), Settlement((b.id, b.attempt), b"{}", report), settlement(c))
    assert answers == [OK, None, OK]
    assert cell.state("b") is State.RUNNING
    cell.settle(b)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, "1") for field in ("sn", "sw", "sx", "su")),
        ("ck", "key"),
        ("kd", "m"),
        ("st", "queued"),
        ("at", "2"),
        ("wk", "another"),
        *((field, None) for field in ("ps", "qs", "q", "ln", "as")),
    ],
)
def test_a_job_whose_record_says_that_there_is_more_to_it_is_left_alone(
    cell: Cell, field: str, value: str | None
) -> None:
    cell.cooked = True
    a, b = running(cell, "a", "b")
    if value is None:
        cell.redis("HDEL", cell.keys.job("b"), field)
    else:
        cell.redis("HSET", cell.keys.job("b"), field, value)
    before = contents(cell)[b"j:b"]
    assert together(cell, settlement(a), settlement(b)) == [OK, None]
    assert contents(cell)[b"j:b"] == before


@pytest.mark.parametrize(("field", "value"), [("wa", "2"), ("ww", "another"), ("st", "failed")])
def test_only_the_same_report_of_a_job_that_has_ended_is_taken_for_a_repeated_one(
    cell: Cell, field: str, value: str
) -> None:
    cell.cooked = True
    a, b = running(cell, "a", "b")
    assert together(cell, settlement(a), settlement(b)) == [OK, OK]
    cell.redis("HSET", cell.keys.job("b"), field, value)
    assert together(cell, settlement(a), settlement(b)) == [OK, None]


def test_one_that_an_earlier_release_ended_without_its_worker_is_a_repeated_one(cell: Cell) -> None:
    a, b = running(cell, "a", "b")
    together(cell, settlement(a), settlement(b))
    cell.redis("HDEL", cell.keys.job("b"), "ww")
    assert together(cell, settlement(a), settlement(b)) == [OK, OK]


def test_what_has_its_own_way_is_left_to_be_told_by_itself(cell: Cell) -> None:
    plain, lost, unmetered, foreign = running(cell, "plain", "lost", "unmetered", "foreign")
    cached = running(cell, "cached", cache_key="k")[0]
    cell.lose(lost)
    told = [settlement(claim) for claim in (plain, lost, cached)]
    told += [settlement(unmetered, charge=Charge.UNRESOLVED), settlement(foreign, worker="another")]
    unknown = Settlement(("nobody", 1), b"{}", told[0].report)
    assert together(cell, *told, unknown) == [OK, None, None, None, None, None]
    assert [cell.state(job) for job in ("cached", "unmetered", "foreign")] == [State.RUNNING] * 3
    for claim in (lost, cached, unmetered, foreign):
        cell.settle(claim)


def test_a_reply_without_a_price_is_plain_only_where_no_budget_applies(cell: Cell) -> None:
    free = running(cell, "free")[0]
    assert together(cell, settlement(free, nano=None)) == [OK]
    cell.budget(10**6)
    capped = running(cell, "capped")[0]
    assert together(cell, settlement(capped, nano=None)) == [None]
    cell.settle(capped)
