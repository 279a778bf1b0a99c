"""What was spent, from the ledger's totals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import get_args

from homa.client.management.job_listing import require_batch
from homa.client.management.units import usd_of
from homa.client.management.wording import dollars, number, one_line
from homa.drivers.effects import Flow, ask
from homa_shared.model.errors import InvalidRequest
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.reads.money import By, CostTable
from homa_shared.store.reads.money import CostRow as Row
from homa_shared.store.transitions.fleet import read_fleet


@dataclass(frozen=True, slots=True)
class CostRow:
    """Sums of calls that share a key."""

    #: A provider, target, tenant, tag, day or batch; empty for those that have none.
    key: str
    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: Decimal
    #: Calls of unknown outcome may have cost so much at most.
    unresolved_usd: Decimal
    #: By providers' prompt caches; negative where writing to them cost more.
    cache_saved_usd: Decimal
    #: Calls whose price is not known: they are in no sum.
    unpriced: int
    #: What was not at the standard price, by what it was served on (`flex`, `fast+us`); part of `cost_usd`.
    tiers_usd: Mapping[str, Decimal]
    #: Units billed beside tokens, and how many of each.
    fees: Mapping[str, int]

    @classmethod
    def of(cls, row: Row) -> CostRow:
        return cls(
            key=row.key,
            requests=row.requests,
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cached_tokens=row.cached_tokens,
            cost_usd=usd_of(row.nano_usd),
            unresolved_usd=usd_of(row.unresolved_nano_usd),
            cache_saved_usd=usd_of(row.cache_saved_nano_usd),
            unpriced=row.unpriced,
            tiers_usd={terms: usd_of(amount) for terms, amount in row.terms_nano_usd.items()},
            fees=row.fees,
        )

    def __str__(self) -> str:
        facts = [
            dollars(self.cost_usd),
            f"{dollars(self.unresolved_usd)} unresolved" if self.unresolved_usd else "",
            f"{number(self.requests)} calls",
            f"{number(self.input_tokens)} tokens in",
            f"{number(self.output_tokens)} out",
            f"{number(self.unpriced)} unpriced" if self.unpriced else "",
        ]
        return f"{self.key or '–'}: {one_line(facts)}"


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs by some key, the dearest first, with their totals; iterates over its rows."""

    rows: tuple[CostRow, ...]
    total_usd: Decimal
    unresolved_usd: Decimal
    cache_saved_usd: Decimal
    unpriced: int
    #: What becomes of unresolved cost by the fleet's settings; empty where there is none.
    unresolved_fate: str = ""

    @classmethod
    def of(cls, table: CostTable, fate: str = "") -> Costs:
        return cls(
            rows=tuple(map(CostRow.of, table.rows)),
            total_usd=usd_of(table.nano_usd),
            unresolved_usd=usd_of(table.unresolved_nano_usd),
            cache_saved_usd=usd_of(table.cache_saved_nano_usd),
            unpriced=table.unpriced,
            unresolved_fate=fate,
        )

    def __iter__(self) -> Iterator[CostRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        total = f"total {dollars(self.total_usd)}"
        if self.cache_saved_usd > 0:
            total += f" ({dollars(self.cache_saved_usd)} less, by prompt caches)"
        if self.unresolved_usd:
            what = "; ".join(filter(None, ("`homa jobs resolve` lists it", self.unresolved_fate)))
            total += f", and at most {dollars(self.unresolved_usd)} unresolved ({what})"
        if self.unpriced:
            total += f"; {number(self.unpriced)} calls have no known price"
        return total


def costs(
    keys: Keys,
    *,
    by: By = "provider",
    since: date | str | None = None,
    until: date | str | None = None,
    batch: str | None = None,
) -> Flow[Costs]:
    """What was spent.

    Args:
        by: what a row stands for.
        since: first day (UTC), as a date or `YYYY-MM-DD`.
        until: last day, included.
        batch: only this batch, whatever the days.

    Raises:
        InvalidRequest: an argument is wrong, or they do not go together.
        JobNotFound: the batch is not in the store.
    """
    if by not in get_args(By):
        raise InvalidRequest(f"by is {by!r:.80}: expected one of {', '.join(get_args(By))}")
    first, last = _day("since", since), _day("until", until)
    if first and last and first > last:
        raise InvalidRequest(f"since is {first}, after until, {last}: expected an earlier day")
    if batch is not None and (first or last or by not in ("provider", "batch")):
        raise InvalidRequest("batch goes with neither since, until nor by: a batch is one row")
    yield from require_batch(keys, batch)
    table = yield from ask(reads.costs(keys, by, first, last, batch))
    fleet = (yield from ask(read_fleet(keys))) if table.unresolved_nano_usd else None
    return Costs.of(table, fleet.unresolved.fate if fleet else "")


def _day(name: str, given: date | str | None) -> date | None:
    if given is None or (isinstance(given, date) and not isinstance(given, datetime)):
        return given
    try:
        if isinstance(given, str):
            return date.fromisoformat(given)
    except ValueError:
        pass
    raise InvalidRequest(f"{name} is {given!r:.80}: expected a date, or YYYY-MM-DD: days are those of UTC")
