"""The rows that a run waits for, and the batches that bring them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from homa.client.batch_lines import read_page
from homa.client.deadlines import BatchDeadlines
from homa.client.results import Failure, Reply
from homa.client.unserved import tell_if_batch_is_unserved
from homa.drivers.effects import Flow, Sleep, ask_patiently
from homa_shared.backoff import Backoff
from homa_shared.model.errors import ResultTimeout
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.keys import Keys

if TYPE_CHECKING:
    from homa.client.tables.progress import Shown

#: Between looks while nothing ends: short at first, then longer.
_PAUSES = Backoff(first_s=0.01, longest_s=0.5, jitter=0)


@dataclass(slots=True)
class Followed:
    """A batch whose ends are read."""

    #: Custom_id -> row.
    rows: dict[str, int] = field(default_factory=dict)
    #: Position in the order of its ends.
    cursor: int = 0


class Collecting:
    """Reads the ends of batches, and notes those of the rows that are waited for.

    Args:
        schema: what `Reply.parsed` is made with.
        put: notes in which batch a row ended, and how.
    """

    def __init__(
        self, keys: Keys, schema: Any, put: Callable[[str, int, Reply[Any] | Failure], None], shown: Shown
    ) -> None:
        self._keys, self._schema, self._put, self._shown = keys, schema, put, shown
        self._followed: dict[str, Followed] = {}
        self._deadlines = BatchDeadlines(keys)
        #: Rows that are waited for.
        self.waiting = 0

    @property
    def batches(self) -> list[str]:
        """Batches that still bring rows."""
        return [batch_id for batch_id, each in self._followed.items() if each.rows]

    def wait_for(self, batch_id: str, custom_id: str, index: int) -> None:
        """A row is a line of a batch."""
        self._followed.setdefault(batch_id, Followed()).rows[custom_id] = index
        self.waiting += 1

    def forget(self, batch_id: str, custom_id: str) -> int | None:
        """A row is no line of the batch after all; the row, None where it was none anyway."""
        index = self._followed[batch_id].rows.pop(custom_id, None)
        self.waiting -= index is not None
        return index

    def until(self, left: int | None, give_up_s: float = math.inf) -> Flow[None]:
        """Collects until so few rows are waited for; None: what has ended by now.

        Args:
            give_up_s: when to give up, by this process's monotonic clock.

        Raises:
            ResultTimeout: it was not in time; what is waited for goes on.
        """
        began_s = quiet_since_s = time.monotonic()
        looks = 0
        while left is None or self.waiting > left:
            brought = False
            for batch_id in self.batches:
                brought = (yield from self._look(batch_id)) or brought
            self._shown.show()
            if brought:
                quiet_since_s, looks = time.monotonic(), 0
            elif left is None or self.waiting <= left:
                return
            elif time.monotonic() >= give_up_s:
                raise ResultTimeout(f"batch {self.batches[0]} has not ended in time, and goes on")
            else:
                looks += 1
                yield from self._wait(began_s, quiet_since_s, looks)

    def until_complete(self, batch_id: str) -> Flow[None]:
        """Collects until a batch is complete, whether or not rows of it are waited for."""
        began_s, looks = time.monotonic(), 0
        while True:
            view = yield from ask_patiently(reads.batch(self._keys, batch_id))
            if view is None or view.complete:
                return
            yield from self.until(None)
            looks += 1
            yield from self._wait(began_s, began_s, looks, batch_id)

    def _look(self, batch_id: str) -> Flow[bool]:
        """Notes a page of ends; true when there was one."""
        followed = self._followed[batch_id]
        # Asked before the list is read, so that a batch that is complete has no line left to read.
        view = yield from ask_patiently(reads.batch(self._keys, batch_id))
        page = yield from read_page(self._keys, batch_id, followed.cursor, schema=self._schema)
        ended = page.cursor > followed.cursor
        followed.cursor = page.cursor
        for line in page.lines:
            index = followed.rows.pop(line.custom_id, None)
            if index is not None:
                self.waiting -= 1
                outcome = line.reply or line.failure
                assert outcome is not None
                self._put(batch_id, index, outcome)
        if view is not None and view.paused:
            self._shown.say(f"batch {batch_id} is paused: {view.paused_why or 'by somebody'}", key=batch_id)
        if not ended and (view is None or view.complete):
            self._lose(batch_id)
        return ended

    def _lose(self, batch_id: str) -> None:
        """The store holds the batch no more, or it ended without these rows."""
        followed = self._followed[batch_id]
        for custom_id, index in followed.rows.items():
            why = f"batch {batch_id} has no line {custom_id} any more: its retention has ended, or it was purged"
            self._put(batch_id, index, Failure(f"{batch_id}-{custom_id}", State.EXPIRED, "gone", why))
        self.waiting -= len(followed.rows)
        followed.rows.clear()

    def _wait(self, began_s: float, quiet_since_s: float, looks: int, batch_id: str = "") -> Flow[None]:
        told = batch_id or self.batches[0]
        yield from tell_if_batch_is_unserved(self._keys, told, began_s, quiet_since_s)
        yield from self._deadlines.check()
        yield Sleep(_PAUSES.pause_s(looks))
