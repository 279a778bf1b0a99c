"""The text of a running job, and its calls of tools, written to its stream as they arrive.

Pieces of a few milliseconds are joined into one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson

from homa_shared.calls.reply import Delta
from homa_shared.model.json_safe import valid_text
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Command, Op
from homa_shared.store.sealing import Kind, sealed
from homa_shared.store.transitions.attempts import Claim
from homa_workers.providers.secrets import HiddenPieces
from homa_workers.store_io.call_pieces import CallPieces, joined

#: Pieces that arrive within this time of the first are written together, s.
JOIN_S = 0.005
#: A stream lives for so long after its attempt began, and again after it ended, ms.
KEEP_MS = 3_600_000
#: A store that does not take the end of a stream within this time goes without it, s.
FLUSH_S = 1.0


class DeltaWriter:
    """Writes one call's pieces: `t` text, `c` calls of tools as JSON, `x` one of these sealed, `e` events.

    An earlier attempt's pieces, or step's, are declared void by `restarted`.

    A stream is a view of the answer, not the answer: nothing here waits for the store while text arrives, and where the
    store is away pieces are dropped. Readers make up what they lack from the reply, which arrives whole.
    """

    def __init__(
        self, store: AsyncStore, claim: Claim, *, again: bool, hidden: HiddenPieces, calls: CallPieces | None = None
    ) -> None:
        self._hidden, self._calls = hidden, calls
        self._store = store
        self._job, self._key = claim.id, store.keys.deltas(claim.id)
        self._attempt = claim.attempt
        self._writer: asyncio.Task[None] | None = None
        self._entries: list[tuple[str, Any]] = []
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
        shown = self._calls.shown(delta.tool_call) if delta.tool_call and self._calls and delta.choice == 0 else None
        if shown is not None:
            self._add("c", shown)

    async def finish(self, event: str) -> None:
        """Writes what is left and how it ended (done or broken), for at most a second.

        Cancelling cuts that short and goes no further: whoever calls this holds a reply that must still be stored.
        """
        self._write_text(self._half)
        if held := self._hidden.end():
            self._add("t", held)
        for piece in self._calls.end() if self._calls is not None else ():
            self._add("c", piece)
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

    def _add(self, field: str, value: Any) -> asyncio.Task[None]:
        self._entries.append((field, value))
        if self._writer is None or self._writer.done():
            # The first piece goes at once: the time to the first token is what people feel.
            self._writer = asyncio.create_task(self._write())
        return self._writer

    async def _write(self) -> None:
        while self._entries:
            entries, self._entries = self._entries, []
            commands: list[Command] = [
                ("XADD", self._key, "*", "a", self._attempt, *self._piece(field, value))
                for field, value in _joined(entries)
            ]
            if any(field == "e" for field, _ in entries):
                commands.append(("PEXPIRE", self._key, KEEP_MS))
            # Whatever ails the store, the call goes on.
            with contextlib.suppress(Exception):
                await self._store.run(Op(commands, lambda _: None))
            await asyncio.sleep(JOIN_S)

    def _piece(self, field: str, value: str) -> tuple[str, str | bytes]:
        """A field of an entry; text and calls are sealed where payloads are, as `x`."""
        if self._store.keys.cipher is None or field == "e":
            return field, value
        return "x", sealed(self._store.keys, Kind.STREAM, orjson.dumps({field: value}), self._job)


def _joined(entries: list[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    for field, group in groupby(entries, key=itemgetter(0)):
        values = [value for _, value in group]
        if field == "t":
            yield field, "".join(values)
        elif field == "c":
            yield field, joined(values)
        else:
            yield from ((field, value) for value in values)
