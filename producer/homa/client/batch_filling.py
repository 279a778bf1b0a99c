"""A batch that a schedule has opened, filled by one process after the other until one has sealed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from homa.client.batch_submission import BatchSubmission
from homa.drivers.effects import Flow, ask_patiently
from homa.files.digests import Digests
from homa.submit.submitter import Submitter
from homa_shared.model.errors import HomaError, InvalidRequest
from homa_shared.store import reads
from homa_shared.store.operation import Op
from homa_shared.store.reads.batch_lines import custom_ids, custom_ids_of
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.submit import Entry

#: Lines whose ids are read at once.
_PAGE = 500


class FilledByAnother(HomaError):
    """Another process fills the same batch; this one leaves it to that."""


class BatchFilling(BatchSubmission):
    """What of a batch is missing is sent to it.

    Lines that an earlier process had sent are told by their `custom_id`s. Those to come have the numbers behind them;
    where another process, taken for dead, has used one of these for another line, this one stops: nothing is lost.

    Args:
        batch: its id.
    """

    def __init__(self, submitter: Submitter, options: Mapping[str, Any], batch: str) -> None:
        super().__init__(submitter, options)
        self.id = batch
        #: `custom_id`s of the lines that it has.
        self.done = Digests()
        #: Inputs that could not be sent, and why the first could not.
        self.unsent, self.unsent_why = 0, ""

    def take_up(self) -> Flow[bool]:
        """Reads what the batch has; false where it takes no further line: it is sealed, or was cancelled.

        Raises:
            InvalidRequest: the store has no such batch, or not all that were its lines.
        """
        view = yield from ask_patiently(reads.batch(self._submitter.keys, self.id))
        if view is None:
            raise InvalidRequest(f"the store has no batch {self.id}: expected one that a schedule has opened")
        if view.state != "open":
            return False
        lines, known = int(view.raw.get("lines", 0)), 0
        for start in range(0, lines, _PAGE):
            op = custom_ids(self._submitter.keys, self.id, start, min(_PAGE, lines - start))
            for custom_id in (yield from ask_patiently(op)):
                self.done.add(custom_id)
                known += 1
        if known < view.submitted:
            raise InvalidRequest(
                f"batch {self.id} has {view.submitted} lines, {known} of them still kept: the others would be paid "
                "twice; expected [retention] to keep results for as long as the inputs are read"
            )
        fleet = yield from self._submitter.view()
        yield from self.read_template(fleet)
        self._chunks = self.chunks(fleet, self._submitter.uploads())
        self._chunks.lines = lines
        # Numbers that no line has: a chunk of which a part was sent.
        self._taken = lines - view.submitted
        return True

    def note_unsent(self, why: str) -> None:
        """An input that cannot become a line."""
        self.unsent += 1
        self.unsent_why = self.unsent_why or why

    def _check_known(self, entries: Sequence[Entry]) -> Flow[None]:
        if not entries:
            return
        theirs = yield from ask_patiently(custom_ids_of(self._submitter.keys, [entry.id for entry in entries]))
        if any(entry.custom_id != known for entry, known in zip(entries, theirs, strict=True)):
            raise FilledByAnother(f"another process fills batch {self.id}: expected this one to be tried again")

    def _sealing(self, lines: int) -> Op[str]:
        return admin.seal_batch(
            self._submitter.keys, self.id, lines, unsent=self.unsent, unsent_why=self.unsent_why[:200]
        )
