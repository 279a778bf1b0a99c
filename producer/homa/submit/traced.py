"""Jobs that are traced: the span of their creation, and its context in their requests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from homa_shared.calls.encoded_request import traced
from homa_shared.store.transitions.submit import Common, Entry

if TYPE_CHECKING:
    from homa_shared.traces import Traces


def traced_entry(traces: Traces, common: Common, entry: Entry, began_ns: int | None = None) -> Entry:
    """A job with the context of its trace, where it is to be traced; else as it is.

    Args:
        began_ns: when its submission began, since the epoch, ns; None: now.
    """
    if not traces.wanted():
        return entry
    said = {"homa.target": common.target, "homa.lane": common.lane}
    said |= {"homa.tenant": common.tenant} if common.tenant else {}
    said |= {"homa.batch": common.batch} if common.batch else {}
    context = traces.created(entry.id, common.queue, said, began_ns)
    return replace(entry, request=traced(entry.request, context)) if context else entry
