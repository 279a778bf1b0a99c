"""Costs: a chart by day, sums by model, tenant or tag, and the same as CSV."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from starlette.responses import Response
from starlette.types import ASGIApp

from homa.gateway.answers import SECURE_HEADERS
from homa.gateway.dashboard.charts import day_chart
from homa.gateway.dashboard.rendering import page
from homa.gateway.dashboard.visit import Visit
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.money import usd
from homa_shared.store import reads
from homa_shared.store.reads.day_totals import DayTotal, day_totals

#: Days that are shown where the address says none, and most that it may say.
_DAYS, _MOST_DAYS = 14, 92
_VIEWS = ("model", "tenant", "tag")
#: Attempts of unknown cost that are listed.
_UNRESOLVED = 20


@dataclass(slots=True)
class Sum:
    """Of the days shown, of what shares a key."""

    key: str
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    nano_usd: int = 0
    unresolved_nano_usd: int = 0
    unpriced: int = 0
    cache_saved_nano_usd: int = 0

    def add(self, total: DayTotal) -> None:
        for name in self.__slots__[1:]:
            setattr(self, name, getattr(self, name) + getattr(total, name))


@dataclass(frozen=True, slots=True)
class _Asked:
    by: str
    since: date
    until: date


async def costs(visit: Visit) -> ASGIApp:
    """The page."""
    now_ms = await visit.ask(reads.server_time(visit.keys))
    asked = _asked(visit, now_ms)
    totals = await _totals(visit, asked)
    sums = _sums(totals, asked.by)
    by_day: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for total in _of_view(totals, asked.by):
        by_day[_key(total, asked.by)][total.day] += total.nano_usd
    ordered = {row.key: dict(by_day[row.key]) for row in sums if row.nano_usd}
    everything = _all(totals)
    open_ = await visit.ask(reads.unresolved(visit.keys, _UNRESOLVED)) if visit.sees_fleet else []
    today = _day(now_ms).isoformat()
    return await page(
        visit,
        "costs.html",
        asked=asked,
        views=_VIEWS if visit.sees_fleet else ("model",),
        chart=day_chart(_days(asked), ordered),
        sums=sums,
        all=everything,
        today=sum(total.nano_usd for total in totals if total.target and total.day == today),
        unresolved=[(name, since, name.rpartition(":")[0]) for name, since in open_],
        now_ms=now_ms,
    )


async def costs_csv(visit: Visit) -> ASGIApp:
    """The sums of each day, a row each, for spreadsheets."""
    asked = _asked(visit, await visit.ask(reads.server_time(visit.keys)))
    totals = await _totals(visit, asked)
    out = io.StringIO()
    table = csv.writer(out)
    columns = ("requests", "input_tokens", "output_tokens", "cached_tokens", "cost_usd", "unresolved_usd", "unpriced")
    table.writerow(("day", asked.by, *columns))
    for day in _days(asked):
        for row in _sums([total for total in totals if total.day == day], asked.by):
            amounts = (row.requests, row.input_tokens, row.output_tokens, row.cached_tokens)
            money = (usd(row.nano_usd), usd(row.unresolved_nano_usd))
            table.writerow((day, _cell(row.key), *amounts, *money, row.unpriced))
    name = f"homa-costs-{asked.by}-{asked.since}-{asked.until}.csv"
    headers = {**SECURE_HEADERS, "content-disposition": f'attachment; filename="{name}"'}
    return Response(out.getvalue(), 200, headers, "text/csv; charset=utf-8")


def _asked(visit: Visit, now_ms: int) -> _Asked:
    today = _day(now_ms)
    by = visit.asked("by", 20) or "model"
    if by not in _VIEWS or (by != "model" and not visit.sees_fleet):
        known = ", ".join(_VIEWS) if visit.sees_fleet else "model"
        raise InvalidRequest(f"by is {by!r:.80}: expected one of {known}")
    until = _date("until", visit.asked("until", 10), today)
    since = _date("since", visit.asked("since", 10), date.fromordinal(max(1, until.toordinal() - _DAYS + 1)))
    if since > until:
        raise InvalidRequest(f"since is {since}: expected a day no later than until ({until})")
    if (until - since).days >= _MOST_DAYS:
        raise InvalidRequest(f"since is {since}: expected at most {_MOST_DAYS} days up to {until}")
    return _Asked(by, since, until)


def _date(name: str, said: str, otherwise: date) -> date:
    try:
        return date.fromisoformat(said) if said else otherwise
    except ValueError:
        raise InvalidRequest(f"{name} is {said!r:.80}: expected YYYY-MM-DD: days are those of UTC") from None


async def _totals(visit: Visit, asked: _Asked) -> list[DayTotal]:
    """Of the days; a tenant's own alone, whose tags nobody keeps apart from others'."""
    found = await visit.ask(day_totals(visit.keys, asked.since, asked.until))
    if visit.tenant is None:
        return found
    return [total for total in found if total.target and total.tenant == visit.tenant]


def _of_view(totals: list[DayTotal], by: str) -> list[DayTotal]:
    return [total for total in totals if bool(total.tag) == (by == "tag")]


def _key(total: DayTotal, by: str) -> str:
    return {"model": total.target, "tenant": total.tenant, "tag": total.tag}[by]


def _sums(totals: list[DayTotal], by: str) -> list[Sum]:
    """Dearest first."""
    found: dict[str, Sum] = {}
    for total in _of_view(totals, by):
        key = _key(total, by)
        found.setdefault(key, Sum(key)).add(total)
    return sorted(found.values(), key=lambda row: (-row.nano_usd - row.unresolved_nano_usd, row.key))


def _all(totals: list[DayTotal]) -> Sum:
    everything = Sum("")
    for total in totals:
        if total.target:
            everything.add(total)
    return everything


def _days(asked: _Asked) -> list[str]:
    return [(asked.since + timedelta(days=i)).isoformat() for i in range((asked.until - asked.since).days + 1)]


def _day(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date()


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
