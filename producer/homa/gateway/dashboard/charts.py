"""Charts as SVG, drawn here: they need no script, and each part of one leads somewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from homa.gateway.dashboard import wording
from homa.gateway.dashboard.batch_forecast import Forecast

#: Sizes, px, in the charts' own coordinates.
_DAYS_WIDTH, _DAYS_HEIGHT, _BASE, _TOP, _LEFT = 1120, 224, 202, 27, 46
_COURSE_RIGHT, _COURSE_BASE, _COURSE_TOP = 710, 174, 10
#: Of a character of a label, and between labels and lines.
CHARACTER, _LABEL_GAP = 7, 6
#: Series of their own colour; what is beyond is summed up as the last one.
SERIES = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """A day's part of one series."""

    series: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Day:
    """A day's place, its name and its sum."""

    day: str
    label: str
    x: float
    width: float
    top: float
    nano_usd: int


@dataclass(frozen=True, slots=True)
class DayChart:
    """Sums by day, stacked by series."""

    names: list[str]
    bars: list[Bar]
    days: list[Day]
    #: (y, label)
    grid: list[tuple[float, str]]
    #: Where the lines begin: the labels stand in front of them.
    left: int
    height: int = _DAYS_HEIGHT
    width: int = _DAYS_WIDTH


def day_chart(days: Sequence[str], sums: dict[str, dict[str, int]]) -> DayChart:
    """A chart of amounts.

    Args:
        days: ISO days, in order.
        sums: series -> day -> nano-dollars, the largest series first.
    """
    series = _series(sums)
    totals = {day: sum(of_day.get(day, 0) for of_day in sums.values()) for day in days}
    top = max(totals.values(), default=0) or 1
    grid = [(_BASE - share * (_BASE - _TOP), wording.money(round(top * share))) for share in (0.25, 0.5, 0.75, 1)]
    left = _left_of(grid)
    step = (_DAYS_WIDTH - left) / max(1, len(days))
    bars, marks = [], []
    for i, day in enumerate(days):
        x, y = left + i * step + step * 0.1, float(_BASE)
        for place, (_, of_day) in enumerate(series, 1):
            height = of_day.get(day, 0) / top * (_BASE - _TOP)
            y -= height
            if height > 0:
                bars.append(Bar(place, x, y, step * 0.8, height))
        marks.append(Day(day, _label(day, len(days), i), left + i * step, step, y, totals[day]))
    return DayChart([name for name, _ in series], bars, marks, grid, left)


def _left_of(grid: list[tuple[float, str]]) -> int:
    return max(_LEFT, CHARACTER * max(len(label) for _, label in grid) + _LABEL_GAP)


def _series(sums: dict[str, dict[str, int]]) -> list[tuple[str, dict[str, int]]]:
    """What has a colour of its own, and the sum of what has none."""
    named = list(sums.items())
    if len(named) <= SERIES:
        return named
    others: Counter[str] = Counter()
    for _, of_day in named[SERIES - 1 :]:
        others.update(of_day)
    return [*named[: SERIES - 1], ("others", others)]


def _label(day: str, count: int, place: int) -> str:
    """A day's name under its bar, where there is room for it."""
    if place % max(1, -(-count // 16)):
        return ""
    found = date.fromisoformat(day)
    return f"{found.day} {found:%b}"


@dataclass(frozen=True, slots=True)
class CourseChart:
    """Lines done over time, with the forecast of the others."""

    line: str
    #: From the present to the likely end; empty where none can be told.
    ahead: str
    band: str
    grid: list[tuple[float, str]]
    times: list[tuple[float, str]]
    #: As of days.
    left: int
    right: int = _COURSE_RIGHT


def course_chart(found: Forecast, lines: int, now_ms: int) -> CourseChart | None:
    """The course of a batch; None while nothing of it has ended."""
    if len(found.course) < 2 or not lines:
        return None
    from_ms, to_ms = found.course[0][0], max(now_ms if found.done_ms else 0, found.course[-1][0])
    end_ms = max(to_ms, found.done_ms.high if found.done_ms else 0, from_ms + 1)

    def y(count: float) -> float:
        return _COURSE_BASE - count / lines * (_COURSE_BASE - _COURSE_TOP)

    grid = [(y(lines * share), f"{round(lines * share):,}") for share in (0.25, 0.5, 0.75, 1)]
    left = _left_of(grid)

    def x(at: float) -> float:
        return left + (at - from_ms) / (end_ms - from_ms) * (_COURSE_RIGHT - left)

    line = " ".join(f"{x(at):.0f},{y(min(count, lines)):.0f}" for at, count in found.course)
    ahead = band = ""
    if found.done_ms is not None:
        at, count = found.course[-1]
        here = f"{x(at):.0f},{y(count):.0f}"
        ahead = f"{here} {x(found.done_ms.likely):.0f},{y(lines):.0f}"
        band = f"{here} {x(found.done_ms.low):.0f},{y(lines):.0f} {x(found.done_ms.high):.0f},{y(lines):.0f}"
    moments = [from_ms, *([to_ms] if end_ms > to_ms else []), end_ms]
    times = [(x(at), wording.clock(int(at), now_ms)[: 5 if end_ms - from_ms > 600_000 else None]) for at in moments]
    return CourseChart(line, ahead, band, grid, _apart(times), left)


def _apart(times: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Labels that do not lie on one another."""
    return [times[0], *(second for first, second in pairwise(times) if second[0] - first[0] > 60)]
