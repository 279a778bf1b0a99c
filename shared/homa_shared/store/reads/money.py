"""What the store tells about money: budgets, totals, the ledger. All amounts are nano-dollars."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

from homa_shared.calls.prompt_templates import of_tags
from homa_shared.model.constants import MEASURES
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, mapping, text

By = Literal["provider", "model", "tenant", "tag", "template", "day", "batch"]


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """One budget in one period, for one tenant or tag value where it says so."""

    #: `name`, `name@tenant` or `name#tag=value`, and `~period`.
    instance: str
    spent_nano_usd: int
    unresolved_nano_usd: int
    reserved_nano_usd: int
    cap_nano_usd: int
    #: Whether its period has turned.
    over: bool

    @property
    def free_nano_usd(self) -> int:
        return max(0, self.cap_nano_usd - self.spent_nano_usd - self.unresolved_nano_usd - self.reserved_nano_usd)


@dataclass(frozen=True, slots=True)
class CostRow:
    """Sums of attempts that share a key."""

    key: str
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    nano_usd: int = 0
    unresolved_nano_usd: int = 0
    #: Attempts whose price is not known.
    unpriced: int = 0
    #: What providers' prompt caches saved; negative where writing to them cost more.
    cache_saved_nano_usd: int = 0
    #: Nano-dollars of these that were not at the standard price, by what they were served on: `flex`, `fast+us`.
    terms_nano_usd: dict[str, int] = field(default_factory=dict, kw_only=True)
    #: Units billed beside tokens, and how many of each.
    fees: dict[str, int] = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True, slots=True)
class CostTable:
    """Costs by some key, dearest first, with their totals."""

    rows: list[CostRow]
    nano_usd: int
    unresolved_nano_usd: int
    unpriced: int
    cache_saved_nano_usd: int = 0


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """A line of the ledger: an attempt, or a correction of one (its amounts add up with the first line's)."""

    id: str
    job: str
    attempt: int
    target: str
    tenant: str
    batch: str
    outcome: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    nano_usd: int
    unresolved_nano_usd: int
    unpriced: int
    cache_saved_nano_usd: int = 0
    #: What it was served on; empty for the standard price.
    terms: str = ""

    @property
    def at_ms(self) -> int:
        return int(self.id.split("-", 1)[0])


def budgets(keys: Keys) -> Op[list[BudgetRow]]:
    """Every instance of the settings' budgets under which something was ever reserved, by name."""

    def parse(answer: Any) -> list[BudgetRow]:
        rows = [
            BudgetRow(text(name), int(text(spent)), int(text(unres)), int(text(reserved)), int(text(cap)), bool(over))
            for name, spent, unres, reserved, cap, over in answer
        ]
        return sorted(rows, key=lambda row: row.instance)

    return call(keys, "budgets", (), parse)


def costs(
    keys: Keys, by: By = "provider", since: date | None = None, until: date | None = None, batch: str | None = None
) -> Op[CostTable]:
    """Costs from the totals of days (UTC), or of batches.

    Args:
        by: what a row stands for.
        since: first day.
        until: last day, included.
        batch: only this batch; its row's key is the batch, and days do not matter.
    """
    bounds = (since.isoformat() if since else "", until.isoformat() if until else "")
    if by == "batch" or batch is not None:
        return call(keys, "costs", ("batch", *bounds, batch or ""), lambda answer: _table("batch", answer[0]))
    return _of_days(keys, by, bounds, (), "")


def _of_days(keys: Keys, by: By, bounds: tuple[str, str], earlier: Sequence[Any], after: str) -> Op[CostTable]:
    """A portion of the days behind one, and then the others: two years of them in one script would hold up everybody.

    Args:
        earlier: totals of the days before.
    """

    def parse(answer: Any) -> CostTable:
        return _table(by, [*earlier, *answer[0]])

    def rest(answer: Any) -> Op[CostTable] | None:
        rows, last = answer
        return _of_days(keys, by, bounds, [*earlier, *rows], text(last)) if last else None

    return call(keys, "costs", ("day", *bounds, after), parse, rest)


def ledger(keys: Keys, after: str = "-", count: int = 500) -> Op[list[LedgerLine]]:
    """Lines after an id (`-`: from the oldest kept), oldest first."""
    start = after if after == "-" else f"({after}"
    command = ("XRANGE", keys.ledger(), start, "+", "COUNT", count)
    return Op((command,), lambda r: [_line(item) for item in r[0] or ()])


def _table(by: By, answer: Any) -> CostTable:
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for source, flat in answer:
        for name, value in mapping(flat).items():
            row, _, measure = name.rpartition("|")
            if by == "batch":
                row, measure = "", name.removeprefix("t.")
            for key in _keys_of(by, text(source), row):
                sums[key][measure] += int(value)
    rows = [_row(key, amounts) for key, amounts in sums.items()]
    rows.sort(key=lambda row: row.key if by == "day" else (-row.nano_usd - row.unresolved_nano_usd, row.key))
    # A call with several tags stands in several rows: totals are those of targets, whatever the rows are.
    total = rows if by not in ("tag", "template") else [_row("", amounts) for amounts in _by_target(answer).values()]
    return CostTable(
        rows,
        sum(row.nano_usd for row in total),
        sum(row.unresolved_nano_usd for row in total),
        sum(row.unpriced for row in total),
        sum(row.cache_saved_nano_usd for row in total),
    )


def _by_target(answer: Any) -> dict[str, dict[str, int]]:
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for _, flat in answer:
        for name, value in mapping(flat).items():
            row, _, measure = name.rpartition("|")
            if not row.startswith("#"):
                sums[row][measure] += int(value)
    return sums


def _keys_of(by: By, source: str, row: str) -> Iterable[str]:
    """Under which keys a row of totals counts: none, or one."""
    if by == "batch":
        return (source,)
    if row.startswith("#"):
        return (row[1:],) if by == "tag" else _template_of(row[1:]) if by == "template" else ()
    target, _, tenant = row.rpartition("|")
    match by:
        case "day":
            return (source,)
        case "provider":
            return (target.partition(":")[0],)
        case "model":
            return (target,)
        case "tenant":
            return (tenant,)
        case _:
            return ()


def _template_of(tag: str) -> Iterable[str]:
    found = of_tags(tag)
    return (found,) if found else ()


def _row(key: str, amounts: dict[str, int]) -> CostRow:
    row = CostRow(key, *(amounts.get(measure, 0) for measure in MEASURES))
    return replace(row, terms_nano_usd=_named("~", amounts), fees=_named("+", amounts))


def _named(mark: str, amounts: dict[str, int]) -> dict[str, int]:
    """Amounts whose measures have names of their own (scripts/lib/ledger.lua), by these names."""
    return {name[1:]: amount for name, amount in sorted(amounts.items()) if amount and name.startswith(mark)}


def _line(item: Any) -> LedgerLine:
    f = mapping(item[1])
    return LedgerLine(
        text(item[0]),
        f["job"],
        int(f["attempt"]),
        f["target"],
        f["tenant"],
        f["batch"],
        f["outcome"],
        int(f["input"]),
        int(f["output"]),
        int(f["cached"]),
        int(f["nano"]),
        int(f["unres"]),
        int(f["unpriced"]),
        # Lines of earlier releases say nothing of it.
        int(f.get("saved", 0)),
        f.get("terms", ""),
    )
