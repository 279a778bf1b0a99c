"""What becomes of the batch that an interrupted run left behind.

If the run asks the same as before, the batch's waiting jobs are still wanted: it goes on. If it asks something else
(another model or prompt, say), what has not begun is cancelled. Either way what is paid for is collected before
anything is submitted.
"""

from __future__ import annotations

from dataclasses import dataclass

from homa.drivers.effects import Flow, ask_patiently
from homa.runs.checkpoint import Checkpoint
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, read
from homa_shared.store.transitions import admin


@dataclass(frozen=True, slots=True)
class EarlierBatch:
    """An earlier batch that is about to end."""

    id: str
    #: It has jobs that have not ended.
    live: bool
    #: It was told to end.
    cancelled: bool
    submitted: int
    #: Ends that it had seen by now: failures among them are tried anew.
    known: int


#: Field of a batch's record that has the digest of its order.
ORDER = "order"


def order_of(keys: Keys, note: Checkpoint) -> Flow[str]:
    """The order of the batch of a note; empty where nobody knows."""
    view = yield from ask_patiently(reads.batch(keys, note.batch))
    return "" if view is None else view.raw.get(ORDER, "")


def take_up(keys: Keys, note: Checkpoint, asked: str) -> Flow[EarlierBatch | None]:
    """Lets the batch of a note go on, or tells it to end; None where the store does not hold it (any more)."""
    view = yield from ask_patiently(reads.batch(keys, note.batch))
    if view is None:
        return None
    known = yield from ask_patiently(_end_count(keys, note.batch))
    if not view.complete and not view.cancel:
        if note.asked != asked:
            yield from ask_patiently(admin.cancel_batch(keys, note.batch))
        else:
            # What the interrupted run had not submitted goes into a batch of its own.
            yield from ask_patiently(admin.seal_batch(keys, note.batch, view.submitted))
            yield from ask_patiently(admin.resume_batch(keys, note.batch))
    cancelled = view.cancel or (not view.complete and note.asked != asked)
    # Its client's last lines may have arrived just now; no more come after this.
    last = yield from ask_patiently(reads.batch(keys, note.batch))
    return EarlierBatch(note.batch, not view.complete, cancelled, (last or view).submitted, known)


def abandon(keys: Keys, note: Checkpoint) -> Flow[bool]:
    """Cancels the batch and the flows of a note whose output is begun anew; true where they had jobs that waited."""
    waited = False
    for batch in (note.batch, *(run.id for run in note.runs)):
        view = yield from ask_patiently(reads.batch(keys, batch))
        if view is not None and not view.complete and not view.cancel:
            yield from ask_patiently(admin.cancel_batch(keys, batch))
            waited = True
    return waited


def _end_count(keys: Keys, batch_id: str) -> Op[int]:
    """How many ends a batch has seen."""
    return read((("LLEN", keys.batch_done(batch_id)),), lambda replies: int(replies[0]))
