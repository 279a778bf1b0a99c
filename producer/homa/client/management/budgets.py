"""What is spent, unresolved and reserved of each cap."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from homa.client.management.units import usd_of
from homa.client.management.wording import dollars, one_line
from homa.drivers.effects import Flow, ask
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.reads.money import BudgetRow
from homa_shared.store.transitions.fleet import read_fleet

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet


@dataclass(frozen=True, slots=True)
class BudgetInfo:
    """One budget in one period, for one tenant or tag value where it says so."""

    #: `name`, `name@tenant` or `name#tag=value`, and `~period`.
    name: str
    cap_usd: Decimal
    spent_usd: Decimal
    #: Calls of unknown outcome may have cost so much at most.
    unresolved_usd: Decimal
    #: By calls in flight.
    reserved_usd: Decimal
    free_usd: Decimal
    #: Whether its period is over.
    over: bool

    @classmethod
    def of(cls, row: BudgetRow) -> BudgetInfo:
        return cls(
            name=row.instance,
            cap_usd=usd_of(row.cap_nano_usd),
            spent_usd=usd_of(row.spent_nano_usd),
            unresolved_usd=usd_of(row.unresolved_nano_usd),
            reserved_usd=usd_of(row.reserved_nano_usd),
            free_usd=usd_of(row.free_nano_usd),
            over=row.over,
        )

    def __str__(self) -> str:
        facts = [
            f"{dollars(self.spent_usd)} of {dollars(self.cap_usd)} spent",
            f"{dollars(self.unresolved_usd)} unresolved" if self.unresolved_usd else "",
            f"{dollars(self.reserved_usd)} reserved" if self.reserved_usd else "",
            f"{dollars(self.free_usd)} free",
            "over" if self.over else "",
        ]
        return f"{self.name}: {one_line(facts)}"


def budgets(keys: Keys, *, past: bool = False) -> Flow[tuple[BudgetInfo, ...]]:
    """The settings' budgets, for each tenant or tag that they cap, in the current period.

    Args:
        past: also periods that are over.
    """
    found = yield from ask(reads.budgets(keys))
    fleet = yield from ask(read_fleet(keys))
    rows = [row for row in found if past or not row.over] + _unused(fleet, found)
    return tuple(map(BudgetInfo.of, rows))


def _unused(fleet: Fleet | None, found: list[BudgetRow]) -> list[BudgetRow]:
    """Budgets of the settings that nothing was ever charged to."""
    used = {row.instance.partition("~")[0].partition("@")[0].partition("#")[0] for row in found if not row.over}
    budgets = fleet.budgets if fleet else {}
    return [
        BudgetRow(name, 0, 0, 0, budget.cap_nano_usd, False) for name, budget in budgets.items() if name not in used
    ]
