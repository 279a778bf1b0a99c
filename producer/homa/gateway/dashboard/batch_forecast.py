"""When a batch is done and what it costs by then, from the lines that ended lately; and its course up to now.

The store keeps a batch's jobs in the order in which they ended, and each record says when and at what cost. So a
sample of the latest tells the present rate and the cost of a line, and some of all tell the course, in as many commands
for a million lines as for a thousand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from homa.gateway.dashboard.visit import Visit
from homa_shared.model.record_fields import short
from homa_shared.store.operation import Op, read, text
from homa_shared.store.reads import BatchView

#: Lines that are looked at for the rate and the cost of one, and for the course.
_SAMPLE, _POINTS = 100, 24
#: Least lines that a forecast is made from.
_LEAST = 5
#: 90 % of a normal distribution lie within so many standard deviations.
_Z = 1.645


@dataclass(frozen=True, slots=True)
class Range:
    """A forecast with the span that holds it in nine of ten cases."""

    low: float
    likely: float
    high: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of a batch that runs. What is None cannot be told yet."""

    #: Lines a minute, by those that ended lately.
    rate: float | None
    #: When it is done, ms.
    done_ms: Range | None
    #: What it costs in all, nano-dollars.
    nano_usd: Range | None
    #: (ms, lines that had ended), oldest first.
    course: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Line:
    at_ms: int
    nano_usd: int


async def forecast(visit: Visit, view: BatchView, now_ms: int) -> Forecast:
    """What the latest lines of a batch tell of the others."""
    lines = await _latest(visit, view.id)
    left = max(0, (view.total or view.submitted) - view.ended)
    rate = _rate(lines, now_ms)
    return Forecast(
        None if rate is None else rate.likely * 60_000,
        None if rate is None or not left or view.paused else _done(rate, left, now_ms),
        _cost(lines, left, view.nano_usd) if left else None,
        await _course(visit, view, now_ms),
    )


async def _latest(visit: Visit, batch_id: str) -> list[_Line]:
    keys = visit.keys
    command = ("LRANGE", keys.batch_done(batch_id), -_SAMPLE, -1)
    ids = await visit.ask(read((command,), lambda replies: [text(item) for item in replies[0]]))
    return await visit.ask(_lines(visit, ids))


def _lines(visit: Visit, ids: Sequence[str]) -> Op[list[_Line]]:
    """When jobs ended and what they cost, in this order; those that are gone are left out."""
    fields = (short("ended_ms"), short("cost"))

    def parse(replies: list[Any]) -> list[_Line]:
        return [_Line(int(at), int(nano or 0)) for at, nano in replies if at]

    return read([("HMGET", visit.keys.job(job_id), *fields) for job_id in ids], parse)


def _rate(lines: list[_Line], now_ms: int) -> Range | None:
    """Lines a ms. Ends come at random: n of them have a standard deviation of sqrt(n)."""
    if len(lines) < _LEAST:
        return None
    count, span_ms = len(lines) - 1, max(1, max(now_ms, lines[-1].at_ms) - lines[0].at_ms)
    off = _Z * math.sqrt(count)
    return Range(max(1.0, count - off) / span_ms, count / span_ms, (count + off) / span_ms)


def _done(rate: Range, left: int, now_ms: int) -> Range:
    return Range(now_ms + left / rate.high, now_ms + left / rate.likely, now_ms + left / rate.low)


def _cost(lines: list[_Line], left: int, spent: int) -> Range | None:
    """The sum of `left` further lines like these, whose mean is itself known from a sample only."""
    if len(lines) < _LEAST:
        return None
    costs = [line.nano_usd for line in lines]
    mean = sum(costs) / len(costs)
    variance = sum((cost - mean) ** 2 for cost in costs) / (len(costs) - 1)
    off = _Z * math.sqrt(variance * (left + left * left / len(costs)))
    likely = spent + left * mean
    return Range(max(float(spent), likely - off), likely, likely + off)


async def _course(visit: Visit, view: BatchView, now_ms: int) -> list[tuple[int, int]]:
    keys = visit.keys
    name = keys.batch_done(view.id)
    ended = int(await visit.ask(read((("LLEN", name),), lambda replies: replies[0] or 0)))
    if not ended:
        return []
    places = sorted({round(i * (ended - 1) / (_POINTS - 1)) for i in range(_POINTS)})
    found = await visit.ask(
        read([("LINDEX", name, place) for place in places], lambda replies: [text(item) for item in replies])
    )
    commands = [("HGET", keys.job(job_id), short("ended_ms")) for job_id in found]
    times = await visit.ask(read(commands, lambda replies: [int(at) if at else None for at in replies]))
    # A batch that is read from its file as the queue drains keeps the latest of them only.
    gone = max(0, view.ended - ended)
    course = [(at, gone + place + 1) for at, place in zip(times, places, strict=True) if at is not None]
    return [(view.created_ms, 0), *course, (view.completed_ms or now_ms, gone + ended)]
