"""Replies told together: whatever could fail is found before anything is written, or fails nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from homa_shared.model.constants import RESULTS_KEPT_MS
from homa_shared.model.record_fields import short
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import SETTLED_AT_ONCE, Claim
from tests.transitions.cell import BOUND, COST, MODEL, Cell
from tests.transitions.settlements import HOUR_MS, OK, contents, one_by_one, running, settlement, together

#: Of a medium that a reply refers to.
DIGEST = "ab" * 32

#: Keys that several jobs settled together write to, beside those of one job alone, which any type may stand under.
SHARED: dict[str, Callable[[Keys], str]] = {
    "ledger": lambda keys: keys.ledger(),
    "events": lambda keys: keys.events(),
    "days": lambda keys: keys.days(),
    "day": lambda keys: keys.day("today"),
    "counters": lambda keys: keys.counters(),
    "leases": lambda keys: keys.leases(),
    "deadlines": lambda keys: keys.deadlines(),
    "schedule_ended": lambda keys: keys.schedule_ended(),
    "reasons": lambda keys: keys.reasons(),
    "waiting": lambda keys: keys.waiting("budget:b"),
    "budget": lambda keys: keys.budget("b"),
    "batch": lambda keys: keys.batch("x"),
    "batch_done": lambda keys: keys.batch_done("x"),
    "queue": lambda keys: keys.queue("p"),
    "bell": lambda keys: keys.bell("p"),
    "account": lambda keys: keys.scope("p"),
    "quota": lambda keys: keys.scope("p/m"),
    "breaker": lambda keys: keys.breaker("p"),
    "target's breaker": lambda keys: keys.breaker(MODEL),
    "conversation": lambda keys: keys.conversation("c"),
    "conversations": lambda keys: keys.conversations(),
    "turns": lambda keys: keys.turns("c"),
    "media_places": lambda keys: keys.media_places(),
    "media_users": lambda keys: keys.media_users(DIGEST),
}


def named(cell: Cell, name: str) -> str:
    key = SHARED[name](cell.keys)
    return key.replace("today", cell.redis("SMEMBERS", cell.keys.days()).pop().decode()) if name == "day" else key


def rich(cell: Cell) -> list[Claim]:
    """Running jobs whose end touches all that the end of plain jobs can touch; one more waits for their room."""
    cell.plan(conc=2, rpm=6000)
    cell.budget(2 * BOUND)
    cell.run(admin.open_batch(cell.keys, "x", {}))
    more: dict[str, Any] = {"batch": "x", "deadline_ms": 600_000, "tags": "k=v"}
    cell.submit("x-0", key="key ab", **more)
    claims = running(cell, "x-1", **more) + cell.take(2).claims
    cell.run(admin.seal_batch(cell.keys, "x", 2))
    cell.submit("waits")
    cell.plan(conc=3)
    assert cell.taken() == []
    cell.plan(conc=2)
    cell.redis("HSET", cell.keys.job("x-0"), short("schedule"), "s:1", short("turn"), "c:1")
    cell.redis("HSET", cell.keys.turns("c"), "1", "p x-0 1")
    cell.redis("HSET", cell.keys.media_places(), DIGEST, "somewhere")
    return claims


def replies(claims: list[Claim]) -> list[Any]:
    reply = orjson.dumps({"body": {"said": f"homa:sha256:{DIGEST}"}, "cost_nano": COST})
    return [replace(settlement(claim, limits=(1000, 90_000)), reply=reply) for claim in claims]


def test_no_key_that_a_group_writes_is_left_out_below(cell: Cell) -> None:
    cell.cooked = True
    settled = rich(cell)
    before = contents(cell)
    assert together(cell, *replies(settled)) == [OK, OK]
    after = contents(cell)
    written = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    prefix = len(cell.keys.prefix)
    known = {named(cell, name)[prefix:].encode() for name in SHARED}
    of_one = [cell.keys.job, cell.keys.request, cell.keys.reply, cell.keys.attempts, cell.keys.steps]
    known |= {key(job)[prefix:].encode() for key in of_one for job in ("x-0", "x-1", "waits")}
    # Where the job goes that waited for room, which is released behind all else.
    places = cell.keys.backlog("p", "default", MODEL, ""), cell.keys.group("p", "default", MODEL)
    known |= {
        key[prefix:].encode() for key in (*places, cell.keys.lane("p", "default"), cell.keys.idempotency("", "key"))
    }
    assert written - known == set()


@pytest.mark.parametrize("name", SHARED)
def test_where_the_store_would_refuse_a_write_nothing_is_written(cell: Cell, name: str) -> None:
    cell.cooked = True
    first = running(cell, "first")[0]
    cell.settle(first)
    claims = rich(cell)
    key = named(cell, name)
    cell.redis("DEL", key)
    cell.redis("SET", key, "of another type")
    before = contents(cell)
    with pytest.raises(Exception, match=r"is a string|WRONGTYPE"):
        together(cell, *replies(claims))
    assert contents(cell) == before


@pytest.mark.parametrize("said", ["1000.5", "many", "nan", "inf", "1e30", "-5"])
@pytest.mark.parametrize("tell", [together, one_by_one])
@pytest.mark.parametrize("name", ["keep.results", "keep.requests", "keep.keys", "keep.ledger", "unresolved.after"])
def test_no_retention_keeps_replies_from_the_store(cell: Cell, name: str, tell: Any, said: str) -> None:
    cell.config(**{"keep.results": 90_000, "keep.requests": 90_000, name: said})
    cell.submit("a", key="key ab")
    claims = running(cell, "b") + cell.take(1).claims
    cell.redis("HSET", cell.keys.job("a"), short("unresolved_attempts"), 1)
    assert tell(cell, *map(settlement, claims)) == [OK, OK]
    assert cell.state("b") in (State.SUCCEEDED, None)
    assert cell.redis("ZCARD", cell.keys.leases()) == 0
    cell.sweep()


@pytest.mark.parametrize("tell", [together, one_by_one])
def test_each_thing_is_kept_for_as_long_as_the_settings_say(cell: Cell, tell: Any) -> None:
    hours = {"keep.results": 30, "keep.requests": 20, "keep.keys": 50, "keep.ledger": 70}
    cell.config(**{name: count * HOUR_MS for name, count in hours.items()})
    cell.submit("a", key="key ab")
    cell.submit("b")
    claims = cell.take().claims
    cell.redis("HSET", cell.keys.job("b"), short("unresolved_attempts"), 1)
    assert tell(cell, *map(settlement, claims)) == [OK, OK]
    kept = {name: hours for name, (_, hours) in contents(cell).items()}
    keys, prefix = cell.keys, len(cell.keys.prefix)
    named = (keys.reply("a"), keys.request("a"), keys.idempotency("", "key"), keys.job("a"), keys.job("b"))
    assert [kept[key[prefix:].encode()] for key in named] == [30, 20, 50, 30, 70 + 24]


def test_results_are_kept_for_as_long_as_where_nothing_is_said_of_them(cell: Cell) -> None:
    cell.config(**{"keep.requests": 0})
    a, b = running(cell, "a", "b")
    cell.settle(a)
    assert together(cell, settlement(b)) == [OK]
    for job in ("a", "b"):
        assert RESULTS_KEPT_MS - 60_000 < cell.redis("PTTL", cell.keys.reply(job)) <= RESULTS_KEPT_MS


@pytest.mark.parametrize("tell", [together, one_by_one])
@pytest.mark.parametrize("counter", ["failed", "cancelled", "expired"])
def test_a_counter_of_their_batch_that_is_no_number_counts_for_nothing(cell: Cell, counter: str, tell: Any) -> None:
    cell.cooked = True
    cell.run(admin.open_batch(cell.keys, "x", {}))
    claims = running(cell, "x-0", "x-1", batch="x")
    cell.run(admin.seal_batch(cell.keys, "x", 2))
    cell.redis("HSET", cell.keys.batch("x"), counter, "many")
    assert tell(cell, *map(settlement, claims)) == [OK, OK]
    assert cell.redis("HGET", cell.keys.batch("x"), "state") == b"complete"


@pytest.mark.parametrize("field", ["told", "cap"])
def test_a_mark_of_a_budget_that_is_no_number_counts_for_nothing(cell: Cell, field: str) -> None:
    cell.budget(10 * BOUND)
    claims = running(cell, "a", "b")
    cell.redis("HSET", cell.keys.budget("b"), field, "many")
    assert together(cell, *map(settlement, claims)) == [OK, OK]


@pytest.mark.parametrize("field", ["fails", "until", "open_ms", "probe", "good_at", "other_at", "seen"])
def test_a_breaker_that_holds_no_number_blocks_nobody(cell: Cell, field: str) -> None:
    claims = running(cell, "a", "b")
    cell.redis("HSET", cell.keys.breaker(MODEL), field, "many")
    assert together(cell, *map(settlement, claims)) == [OK, OK]
    cell.redis("HSET", cell.keys.breaker(MODEL), field, "many")
    cell.settle(running(cell, "c")[0])


@pytest.mark.parametrize("tell", [together, one_by_one])
def test_a_sum_in_a_record_that_is_no_number_counts_for_nothing(cell: Cell, tell: Any) -> None:
    claims = running(cell, "a", "b")
    for field in ("cost", "cache_saved"):
        cell.redis("HSET", cell.keys.job("b"), short(field), "many")
    assert tell(cell, *(settlement(claim, saved=3) for claim in claims)) == [OK, OK]
    assert (cell.job("b").cost_nano_usd, cell.job("b").cache_saved_nano_usd) == (COST, 3)


@pytest.mark.parametrize("tags", [15, 16, 40])
def test_as_many_sums_as_their_tags_come_to_are_written(cell: Cell, tags: int) -> None:
    """Lua passes on some 8000 words in one command; 50 jobs of 16 tags of their own pass that."""
    cell.budget(SETTLED_AT_ONCE * BOUND)
    for i in range(SETTLED_AT_ONCE):
        cell.submit(f"j{i}", tags="\n".join(f"t{k}=v{i}" for k in range(tags)))
    claims = cell.take(SETTLED_AT_ONCE).claims
    told = [settlement(c, saved=3, cached=1, terms="flex", fees={"searches": 1, "pages": 2}) for c in claims]
    assert set(together(cell, *told)) == {OK}
    table = cell.run(reads.costs(cell.keys, "tag"))
    assert len(table.rows) == SETTLED_AT_ONCE * tags
    assert {row.nano_usd for row in table.rows} == {COST}


def test_what_waits_for_room_is_released_a_bounded_number_a_call_over_all_budgets(cell: Cell) -> None:
    cell.budget(10 * BOUND, scope="tenant")
    tenants = [f"t{i}" for i in range(5)]
    for tenant in tenants:
        cell.submit(*(f"{tenant}-{i}" for i in range(10)), tenant=tenant)
    claims = cell.take(50).claims
    for tenant in tenants:
        cell.submit(*(f"{tenant}-w{i}" for i in range(30)), tenant=tenant)
    while cell.take(50).claims:
        pass
    while cell.numbers(cell.keys.queue("p"))["default.queued"]:
        cell.take(50)
    assert cell.numbers(cell.keys.queue("p"))["default.waiting"] == 150
    assert set(together(cell, *(settlement(claim, nano=1) for claim in claims))) == {OK}
    assert cell.numbers(cell.keys.queue("p"))["default.queued"] == 64
    cell.sweep()
    while taken := cell.take(50).claims:
        together(cell, *(settlement(claim, nano=1) for claim in taken))
        cell.sweep()
    assert cell.counters()["succeeded"] == 200


def test_a_counter_that_cannot_be_added_to_is_named_before_anything_is_written(cell: Cell) -> None:
    cell.cooked = True
    claims = running(cell, "a", "b")
    cell.redis("HSET", cell.keys.counters(), "replies", "many")
    before = contents(cell)
    with pytest.raises(Exception, match="replies cannot be counted up: many"):
        together(cell, *map(settlement, claims))
    assert contents(cell) == before


def test_counters_beyond_what_lua_adds_exactly_are_added_to_exactly(cell: Cell) -> None:
    cell.cooked = True
    claims = running(cell, "a", "b")
    cell.redis("HSET", cell.keys.counters(), "reply_bytes", 2**60 + 1)
    told = [settlement(claim) for claim in claims]
    assert together(cell, *told) == [OK, OK]
    counted = int(cell.redis("HGET", cell.keys.counters(), "reply_bytes"))
    assert counted == 2**60 + 1 + sum(len(one.reply) for one in told)
