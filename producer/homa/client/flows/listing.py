"""Runs of flows as a listing shows them."""

from __future__ import annotations

from dataclasses import dataclass

from homa.client.management.batches import BatchInfo
from homa.drivers.effects import Emit, Flow, ask, ask_all
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.reads.flows import names

#: Batches that are looked through at once.
_PAGE = 200


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run of a flow, by its batch."""

    #: Of the flow.
    flow: str
    batch: BatchInfo


def runs(keys: Keys, limit: int) -> Flow[None]:
    """Emits runs of flows (`RunInfo`), the newest first."""
    left, before = limit, ""
    while left > 0:
        page = yield from ask(reads.batches_before(keys, before, _PAGE))
        if not page.ids:
            return
        before = page.cursor
        flows = yield from ask(names(keys, page.ids))
        found = [(run, flow) for run, flow in zip(page.ids, flows, strict=True) if flow is not None][:left]
        views = yield from ask_all([reads.batch(keys, run) for run, _ in found])
        for (_, flow), view in zip(found, views, strict=True):
            if view is not None:
                yield Emit(RunInfo(flow, BatchInfo.of(view)))
        left -= len(found)
