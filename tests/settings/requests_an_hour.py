"""A rehearsal: what the store and forecasts do with a dimension that is nothing but a row and its settings.

Run as a process of its own, on a copy of the package that has the row.
"""

from __future__ import annotations

import sys

from homa.client.management.estimates import Load
from homa_shared.model.limits import Limits
from homa_shared.model.tokens import NOTHING_USED
from homa_shared.settings.sections import LimitSettings
from homa_shared.store import reads
from homa_shared.store.connection import StoreAddress
from tests.transitions.cell import Cell

TWO_AN_HOUR = {"rph": 2}


def main(address: str, namespace: str) -> None:
    cell = Cell(StoreAddress.parse(address), namespace)
    assert LimitSettings.model_validate(TWO_AN_HOUR).quota == Limits(**TWO_AN_HOUR)
    assert Load(requests=6).seconds(Limits(**TWO_AN_HOUR)) == 10_800
    scope = cell.plan(rph=2, rpm=6_000)
    cell.submit("a", "b")
    first = cell.take().claims
    assert [claim.id for claim in first] == ["a"]
    assert 1_700_000 < (cell.take(worker="v").wait_ms or 0) <= 1_800_000
    rows = {row.dimension: row for row in cell.run(reads.limits(cell.keys)) if row.scope == scope}
    assert (rows["rph"].limit, rows["rph"].used, rows["rph"].available) == (2, 1, 0)
    # A call that was never sent gives its request back.
    cell.requeue(first[0], "job.released", outcome="released", counts=False, used=NOTHING_USED)
    assert cell.taken() == ["a"]
    cell.store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
