"""The text of a running job, written to its stream as it arrives: pieces of a few milliseconds are joined into one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from homa_shared.calls.reply import Delta
from homa_shared.model.json_safe import valid_text
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Command, Op
from homa_shared.store.transitions.attempts import Claim
from homa_workers.providers.secrets import HiddenPieces

#: Pieces that arrive within this time of the first are written together, s.
JOIN_S = 0.005
#: A stream lives for so long after its attempt began, and again after it ended, ms.
KEEP_MS = 3_600_000
#: A store that does not take the end of a stream within this time goes without it, s.
FLUSH_S = 1.0


class DeltaWriter:
    """Writes one call's pieces; an earlier attempt's text, or step's, is declared void by `restarted`.

    A stream is a view of the answer, not the answer: nothing here waits for the store while text arrives, and where the
    store is away pieces are dropped. Readers make up what they lack from the reply, which arrives whole.
    """

    def __init__(self, store: AsyncStore, claim: Claim, *, again: bool, hidden: HiddenPieces) -> None:
        self._hidden = hidden
        self._store = store
        self._key = store.keys.deltas(claim.id)
        self._attempt = claim.attempt
        self._writer: asyncio.Task[None] | None = None
        self._entries: list[tuple[str, str]] = []
        self._seen: list[str] = []
        #: When the first text arrived, on this process's clock (s).
        self.first_s: float | None = None
        #: First half of a surrogate pair whose second half is to come.
        self._half = ""
        self._add("e", "restarted" if again or claim.attempt > 1 else "started")

    @property
    def text(self) -> str:
        """All text that has arrived: what a cut stream has certainly cost."""
        return "".join(self._seen)

    async def emit(self, delta: Delta) -> None:
        """Takes a piece; never waits for the store."""
        if delta.text and delta.choice == 0:
            text = self._half + delta.text
            # Some servers send the halves of an emoji in two pieces.
            self._half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
            self._write_text(text[: len(text) - len(self._half)])

    async def finish(self, event: str) -> None:
        """Writes what is left and how it ended (done or broken), for at most a second.

        Cancelling cuts that short and goes no further: whoever calls this holds a reply that must still be stored.
        """
        self._write_text(self._half)
        if held := self._hidden.end():
            self._add("t", held)
        writer = self._add("e", event)
        try:
            async with asyncio.timeout(FLUSH_S):
                await writer
        except (TimeoutError, asyncio.CancelledError):
            writer.cancel()

    def _write_text(self, text: str) -> None:
        if text:
            valid = valid_text(text)
            if self.first_s is None:
                self.first_s = time.monotonic()
            self._seen.append(valid)
            if shown := self._hidden.add(valid):
                self._add("t", shown)

    def _add(self, field: str, value: str) -> asyncio.Task[None]:
        self._entries.append((field, value))
        if self._writer is None or self._writer.done():
            # The first piece goes at once: the time to the first token is what people feel.
            self._writer = asyncio.create_task(self._write())
        return self._writer

    async def _write(self) -> None:
        while self._entries:
            entries, self._entries = self._entries, []
            commands: list[Command] = [
                ("XADD", self._key, "*", "a", self._attempt, field, value) for field, value in _joined(entries)
            ]
            if any(field == "e" for field, _ in entries):
                commands.append(("PEXPIRE", self._key, KEEP_MS))
            # Whatever ails the store, the call goes on.
            with contextlib.suppress(Exception):
                await self._store.run(Op(commands, lambda _: None))
            await asyncio.sleep(JOIN_S)


def _joined(entries: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for field, group in groupby(entries, key=itemgetter(0)):
        values = [value for _, value in group]
        yield from [(field, "".join(values))] if field == "t" else [(field, value) for value in values]
