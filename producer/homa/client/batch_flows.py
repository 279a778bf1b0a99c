"""What a batch handle does: tell the progress, hand out lines as they end, pause, cancel."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from homa.client.batch_lines import LinePage, read_page
from homa.client.batch_progress import Progress
from homa.client.deadlines import BatchDeadlines
from homa.client.not_found import batch_not_found, check_id
from homa.client.unserved import nobody_serves, tell_if_batch_is_unserved, unserved_queues
from homa.drivers.effects import Emit, Flow, Sleep, ask_patiently
from homa.submit.option_checks import check_timeout
from homa_shared.backoff import Backoff
from homa_shared.model.errors import InvalidRequest, ResultTimeout
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.transitions import admin

#: Between looks at a batch that goes on: short at first, then longer while nothing ends.
_PAUSES = Backoff(first_s=0.01, longest_s=0.5, jitter=0)


class BatchFlows:
    """Flows of one batch, for the sync and the async handle."""

    def __init__(self, keys: Keys, batch_id: str, schema: Any = None) -> None:
        check_id("batch", batch_id)
        self.keys, self.id, self.schema = keys, batch_id, schema

    def progress(self) -> Flow[Progress]:
        """Raises JobNotFound where the store holds no such batch."""
        view = yield from ask_patiently(reads.batch(self.keys, self.id))
        if view is None:
            raise batch_not_found(self.id)
        return Progress.of(view)

    def wait(self, timeout_s: float | None) -> Flow[Progress]:
        """The progress once the batch is complete; raises ResultTimeout where it is not in time."""
        check_timeout(timeout_s)
        began_s = time.monotonic()
        give_up_s = None if timeout_s is None else began_s + timeout_s
        looks, deadlines = 0, BatchDeadlines(self.keys)
        while True:
            progress = yield from self.progress()
            if progress.complete:
                return progress
            if give_up_s is not None and time.monotonic() >= give_up_s:
                raise (yield from self._timeout(timeout_s or 0.0, progress))
            yield from tell_if_batch_is_unserved(self.keys, self.id, began_s, began_s)
            yield from deadlines.check()
            looks += 1
            pause_s = _PAUSES.pause_s(looks)
            yield Sleep(pause_s if give_up_s is None else min(pause_s, max(0.0, give_up_s - time.monotonic())))

    def results(self, after: int, timeout_s: float | None) -> Flow[None]:
        """Emits lines in the order in which they ended, until the batch is complete."""
        if after < 0:
            raise InvalidRequest(f"after is {after!r:.80}: expected the position of a line, 0 for the beginning")
        yield from self.follow(after, timeout_s, _emit_lines)

    def follow(self, after: int, timeout_s: float | None, take: Callable[[LinePage], Flow[None]]) -> Flow[None]:
        """Hands out pages of lines in the order in which they ended, until the batch is complete.

        Args:
            after: the position after which to begin.
            timeout_s: seconds without any line after which to give up; None waits as long as it takes.
            take: what is done with a page.

        Raises:
            ResultTimeout: nothing ended for so long.
        """
        check_timeout(timeout_s)
        began_s = quiet_since_s = time.monotonic()
        looks, deadlines = 0, BatchDeadlines(self.keys)
        while True:
            # Asked before the list is read, so that a batch that is complete has no line left to read.
            progress = yield from self.progress()
            page = yield from read_page(self.keys, self.id, after, schema=self.schema)
            if page.cursor > after:
                yield from take(page)
                after = page.cursor
                quiet_since_s, looks = time.monotonic(), 0
                continue
            if progress.complete:
                return
            if timeout_s is not None and time.monotonic() - quiet_since_s >= timeout_s:
                raise (yield from self._timeout(timeout_s, progress))
            yield from tell_if_batch_is_unserved(self.keys, self.id, began_s, quiet_since_s)
            yield from deadlines.check()
            looks += 1
            yield Sleep(_PAUSES.pause_s(looks))

    def cancel(self) -> Flow[None]:
        yield from ask_patiently(admin.cancel_batch(self.keys, self.id))

    def pause(self, why: str) -> Flow[None]:
        yield from ask_patiently(admin.pause_batch(self.keys, self.id, why))

    def resume(self) -> Flow[None]:
        yield from ask_patiently(admin.resume_batch(self.keys, self.id))

    def _timeout(self, timeout_s: float, progress: Progress) -> Flow[ResultTimeout]:
        paused = f", paused ({progress.paused})" if progress.paused else ""
        message = (
            f"batch {self.id} is not complete after {timeout_s:g} s: {progress.state}{paused}, {progress.ended} of "
            f"{progress.submitted} jobs have ended; it goes on"
        )
        # What the queues hold is other jobs' as well; nobody serves those, either.
        for queue in (yield from unserved_queues(self.keys)) if progress.ended < progress.submitted else ():
            message += f"; {nobody_serves(queue)}"
        return ResultTimeout(message)


def _emit_lines(page: LinePage) -> Flow[None]:
    for line in page.lines:
        yield Emit(line)
