"""What earlier attempts have left of their steps."""

from __future__ import annotations

from typing import Any

import orjson

from homa_shared.calls.reply import Usage
from homa_workers.pipeline.steps.journal import StepJournal

#: What a later attempt goes on from, as it was recorded.
State = dict[str, Any]


async def earlier_steps(journal: StepJournal) -> list[tuple[int, State]]:
    """Steps of earlier attempts at a completion, by their numbers; each is counted.

    Raises:
        Halted: as `StepJournal.between`.
    """
    found = [(number, orjson.loads(raw)) for number, raw in enumerate(await journal.resume(), 1)]
    for _, state in found:
        journal.count_earlier(Usage.of_counts(state["usage"]))
    return found
