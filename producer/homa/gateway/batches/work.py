"""What is done for one batch of a file, step by step; another process may do the next step, or the same at once.

1. validating: the file is read once. Where it is none of requests the batch fails, and nothing of it is sent.
2. in_progress: lines become jobs while fewer than a window of them wait for their answers, and answers are written.
3. Cancelled or expired: no further line becomes a job; those that are none yet are answered as such.
4. Once every line has its answer the batch ends, and its files can be read.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Any

from homa.client.deadlines import BatchDeadlines
from homa.drivers.effects import ask_patiently
from homa.gateway.access.principal import Principal
from homa.gateway.batches.checking import check_lines
from homa.gateway.batches.ending import BatchEnding
from homa.gateway.batches.line_format import Unsent
from homa.gateway.batches.lines import FileLine, lines_of
from homa.gateway.batches.promotion import CHUNK_BYTES, CHUNK_LINES, Promoter
from homa.gateway.batches.results import ResultWriter
from homa.gateway.batches.workshop import Workshop
from homa.gateway.files.kept_files import FilesElsewhere, LostPart
from homa_shared.model.constants import INPUT_LOST_MS
from homa_shared.model.errors import StoreFull
from homa_shared.store import gateway_batches as store
from homa_shared.store import reads
from homa_shared.store.gateway_batches import OVER, GatewayBatch, Status
from homa_shared.store.gateway_keys import Role
from homa_shared.store.gateway_lines import Moved
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, read
from homa_shared.store.reads.batches import BatchView
from homa_shared.store.transitions import admin

#: Chunks that are promoted before answers are looked at again.
_CHUNKS = 10
#: Answers that are worth a part of their own, and how long fewer of them wait for others, s.
_WORTH, _WORTH_S = 500, 20.0
#: Pauses while nothing happens to a batch: of a young one, and of any other, s.
_SHORT_S, _PAUSE_S = 0.05, 0.5
_YOUNG_MS = 10_000


class BatchWork:
    """One batch."""

    def __init__(self, shop: Workshop, batch_id: str) -> None:
        self._shop, self._keys, self.id = shop, shop.keys, batch_id
        self._deadlines = BatchDeadlines(shop.keys)
        self._ending = BatchEnding(shop, batch_id)
        self._promoter: Promoter | None = None
        #: Lines from the cursor on, and where that stands by what this gateway knows.
        self._lines: AsyncGenerator[FileLine, None] | None = None
        self._at = -1
        self._wrote_s = time.monotonic()
        self._is_here = False

    async def step(self) -> float | None:
        """Does what there is to do next.

        Returns:
            Seconds until somebody should look again; None: the batch has ended.

        Raises:
            FilesElsewhere: others have to do it.
            HomaError: it could not be done now.
        """
        batch = await self._shop.driver.run(ask_patiently(store.find_batch(self._keys, self.id)))
        if batch is None or batch.status in OVER:
            return None
        try:
            return await self._step_of(batch)
        except (FilesElsewhere, LostPart):
            if batch.now_ms < batch.expires_ms + INPUT_LOST_MS:
                raise
            await self._ending.give_up(batch)
            return None

    async def _step_of(self, batch: GatewayBatch) -> float | None:
        if not self._is_here:
            # Before anything else: what is written elsewhere would be missed where its other files are.
            await self._shop.files.require(batch.input, batch.raw.get("place", ""))
            self._is_here = True
        if batch.total is None:
            await self._check(batch)
            return 0.0
        engine = await self._run(reads.batch(self._keys, self.id))
        is_late = batch.now_ms >= batch.expires_ms
        if _is_cancelled_by_its_jobs(batch, engine):
            await self._run(store.cancel_file_batch(self._keys, self.id))
            return 0.0
        if await self._go_on(batch, engine, is_late=is_late):
            return 0.0
        if batch.cursor < batch.total:
            is_closing = is_late or batch.status is Status.CANCELLING
        else:  # whoever opened it for nobody died, or was late
            is_closing = engine is not None and engine.state == "open"
        if is_closing:
            await self._close(batch, engine)
            return 0.0
        if batch.status is Status.CANCELLING and engine is not None and not (engine.cancel or engine.complete):
            await self._run(admin.cancel_batch(self._keys, self.id))
        if await self._ending.end(batch, engine):
            return None
        await self._shop.driver.run(self._deadlines.check())
        return _SHORT_S if batch.now_ms - batch.created_ms < _YOUNG_MS else _PAUSE_S

    async def aclose(self) -> None:
        """Leaves its file alone."""
        if self._lines is not None:
            await self._lines.aclose()
            self._lines = None

    async def _check(self, batch: GatewayBatch) -> None:
        found = await check_lines(self._shop.form_of(batch), lines_of(self._shop.files, batch.input))
        if isinstance(found, int):
            await self._run(store.checked_batch(self._keys, self.id, found))
        else:
            await self._run(store.fail_batch(self._keys, self.id, found, await self._ending.told(batch, None)))

    async def _go_on(self, batch: GatewayBatch, engine: BatchView | None, *, is_late: bool) -> bool:
        """Promotes lines, or else writes answers; false where there was neither to do."""
        held: StoreFull | LostPart | None = None
        try:
            if batch.status is Status.IN_PROGRESS and not is_late and await self._promote(batch, engine):
                return True
        except (StoreFull, LostPart) as error:
            held = error
        # Also then: what is written may leave the store, and does not wait for what is lost.
        if await self._write(batch, engine):
            return True
        if held is not None:
            raise held
        return False

    async def _promote(self, batch: GatewayBatch, engine: BatchView | None) -> bool:
        """Makes jobs of some lines, where there is room for them; false where nothing was done."""
        if engine is None:
            if batch.cursor:  # what there was of it has left the store
                return False
            await self._ending.open(batch)
        total, cursor = batch.total or 0, batch.cursor
        room = self._room(batch)
        for _ in range(_CHUNKS):
            wanted = min(CHUNK_LINES, room, total - cursor)
            if wanted <= 0 or wanted < min(CHUNK_LINES, _window(batch) // 4, total - cursor):
                return cursor > batch.cursor
            lines = await self._next(batch, cursor, wanted)
            moved = await self._shop.driver.run(self._promoter_of(batch).promote(cursor, lines))
            if moved is not Moved.OK:
                return moved is Moved.STALE or cursor > batch.cursor
            cursor += len(lines)
            room -= len(lines)
            self._at = cursor
        return True

    def _room(self, batch: GatewayBatch) -> int:
        total = batch.total or 0
        return _window(batch) - (batch.cursor - batch.answered) if self._leaves(batch) else total

    def _leaves(self, batch: GatewayBatch) -> bool:
        """Whether its jobs leave the store once they are written: those of a batch that is larger than its window."""
        return (batch.total or 0) > _window(batch)

    async def _next(self, batch: GatewayBatch, cursor: int, wanted: int) -> list[FileLine]:
        """The lines from the cursor on."""
        if self._lines is None or self._at != cursor:
            await self.aclose()
            self._lines = lines_of(self._shop.files, batch.input, batch.offset)
        self._at = -1  # until the cursor has moved behind them
        found: list[FileLine] = []
        size = 0
        while len(found) < wanted and size < CHUNK_BYTES:
            found.append(await anext(self._lines))
            size += len(found[-1].data)
        return found

    async def _write(self, batch: GatewayBatch, engine: BatchView | None) -> bool:
        """Writes a page of answers; false where there are none worth it."""
        if engine is None:
            return False
        leaves = self._leaves(batch)
        if not engine.complete:
            waiting = await self._run(_length(self._keys, self.id)) - (0 if leaves else batch.written)
            is_old = waiting > 0 and time.monotonic() - self._wrote_s > _WORTH_S
            if waiting < min(_WORTH, max(1, _window(batch) // 4)) and not is_old:
                return False
        elif batch.cursor == batch.total and batch.status is Status.IN_PROGRESS:
            await self._run(store.finalize_batch(self._keys, self.id))
        self._wrote_s = time.monotonic()
        moved, jobs = await self._writer(batch).write_ended(batch, leave=leaves)
        return jobs > 0 and moved is not Moved.GONE

    async def _close(self, batch: GatewayBatch, engine: BatchView | None) -> None:
        """Answers lines that become no jobs any more."""
        why = Unsent.CANCELLED if batch.status is Status.CANCELLING else Unsent.EXPIRED
        if engine is not None and engine.state == "open":
            if why is Unsent.CANCELLED:
                await self._run(admin.cancel_batch(self._keys, self.id))
            else:
                await self._run(admin.seal_batch(self._keys, self.id, engine.submitted))
            return
        lines = await self._next(batch, batch.cursor, min(CHUNK_LINES * 5, (batch.total or 0) - batch.cursor))
        moved = await self._writer(batch).write_unsent(batch, lines, why)
        if moved is Moved.OK:
            self._at = batch.cursor + len(lines)

    def _writer(self, batch: GatewayBatch) -> ResultWriter:
        return ResultWriter(self._keys, self._shop.driver, self._shop.files, self._shop.form_of(batch))

    def _promoter_of(self, batch: GatewayBatch) -> Promoter:
        if self._promoter is None:
            principal = Principal(Role(batch.raw["role"]), batch.tenant, tuple(batch.said("models") or ()))
            cap = int(batch.raw["cap"]) if batch.raw["cap"] else None
            headers = batch.said("headers") or {}
            self._promoter = Promoter(self._shop.submitter, self.id, self._shop.form_of(batch), principal, headers, cap)
        return self._promoter

    async def _run(self, op: Op[Any]) -> Any:
        return await self._shop.driver.run(ask_patiently(op))


def _is_cancelled_by_its_jobs(batch: GatewayBatch, engine: BatchView | None) -> bool:
    """Whether `homa batches cancel` has ended it, which knows of no file."""
    if engine is None or not engine.cancel or batch.status is not Status.IN_PROGRESS:
        return False
    return not engine.complete or batch.cursor != batch.total


def _window(batch: GatewayBatch) -> int:
    """Most lines of it that are jobs without a written answer."""
    return batch.count("window_lines")


def _length(keys: Keys, batch_id: str) -> Op[int]:
    return read((("LLEN", keys.batch_done(batch_id)),), lambda replies: int(replies[0]))
