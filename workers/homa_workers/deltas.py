"""The text of a running job, written to its stream as it arrives: pieces of a few milliseconds are joined into one."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from homa_shared.errors import StoreFull, StoreUnavailable
from homa_shared.reply import Delta
from homa_shared.store.client import AsyncStore
from homa_shared.store.op import Op
from homa_shared.store.working import Claim

#: Pieces that arrive within this time of the first are written together, s.
JOIN_S = 0.005
#: Streams live as long after the last piece, ms.
KEEP_MS = 3_600_000


class DeltaWriter:
    """Writes one attempt's pieces; an earlier attempt's text is declared void by `restarted`.

    A stream is a view of the answer, not the answer: where the store is away, pieces are dropped and the reply still
    arrives whole with its settlement.
    """

    def __init__(self, store: AsyncStore, claim: Claim) -> None:
        self._store = store
        self._key = store.keys.deltas(claim.id)
        self._attempt = claim.attempt
        self._pieces: list[str] = []
        self._writer: asyncio.Task[None] | None = None

    async def emit(self, delta: Delta) -> None:
        """Takes a piece; never waits for the store."""
        if delta.text and delta.choice == 0:
            self._pieces.append(delta.text)
            if self._writer is None:
                # The first piece goes at once: the time to the first token is what people feel.
                self._writer = asyncio.create_task(self._write())

    async def __aenter__(self) -> Self:
        await self._add("e", "started" if self._attempt == 1 else "restarted")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._writer is not None:
            await self._writer
        await self._add("e", "done" if kind is None else "broken")

    async def _write(self) -> None:
        while self._pieces:
            text = "".join(self._pieces)
            self._pieces.clear()
            await self._add("t", text)
            await asyncio.sleep(JOIN_S)
        self._writer = None

    async def _add(self, field: str, value: str) -> None:
        commands = (("XADD", self._key, "*", "a", self._attempt, field, value), ("PEXPIRE", self._key, KEEP_MS))
        try:
            await self._store.run(Op(commands, lambda _: None))
        except (StoreUnavailable, StoreFull):
            pass
