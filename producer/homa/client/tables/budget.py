"""What a table may still cost: its budget holds over all its batches, whichever run made them."""

from __future__ import annotations

from collections.abc import Sequence

from homa.drivers.effects import Flow, ask_patiently
from homa_shared.model.errors import BudgetExceeded
from homa_shared.model.money import usd
from homa_shared.store import reads
from homa_shared.store.keys import Keys


class TableBudget:
    """What is left of a table's budget.

    Args:
        total: nano-dollars.
    """

    def __init__(self, keys: Keys, total: int) -> None:
        self._keys, self._total = keys, total
        #: Nano-dollars that earlier batches left; None while nobody has looked, or where it has to be looked at again.
        self.left: int | None = None

    def look(self, batches: Sequence[str]) -> Flow[int]:
        """What batches that are complete have left, nano-dollars; none of them may spend any more."""
        spent = 0
        for batch_id in batches:
            view = yield from ask_patiently(reads.batch(self._keys, batch_id))
            spent += 0 if view is None else view.nano_usd + view.unresolved_nano_usd
        self.left = max(0, self._total - spent)
        return self.left

    def exceeded(self, error: BudgetExceeded | None = None) -> BudgetExceeded:
        """Why a row is not asked, where it is what earlier batches left that does not suffice.

        Args:
            error: of the row; None where nothing is left.
        """
        if self.left is None or self.left == self._total:
            return error or BudgetExceeded(f"budget_usd is {usd(self._total)}: raise it")
        told = f"budget_usd is {usd(self._total)}, of which earlier runs left {usd(self.left)}"
        return BudgetExceeded(f"{told}: {error or 'raise it'}")
