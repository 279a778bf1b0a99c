"""A stream whose job is submitted when it is made, and not when its first piece is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any

from homa.client.aio_handles import AsyncJob
from homa.client.short_tracebacks import short_tracebacks
from homa.client.streams import Piece

#: Submits the job of one stream.
Submit = Callable[[], Coroutine[Any, Any, AsyncJob[Any]]]


class Submissions:
    """Submissions under way. A loop holds its tasks weakly: without this, one that nobody reads could vanish."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[AsyncJob[Any]]] = set()

    def __reduce__(self) -> tuple[type[Submissions], tuple[()]]:
        # Another process has none of them.
        return Submissions, ()

    def begin(self, submit: Submit) -> asyncio.Task[AsyncJob[Any]] | None:
        """Submits in the running loop; None where none runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return None
        task = loop.create_task(submit())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self) -> None:
        """Waits for those of this loop; what they raise is for whoever reads their streams."""
        mine = [task for task in self._tasks if task.get_loop() is asyncio.get_running_loop()]
        if mine:
            await asyncio.wait(mine)


@short_tracebacks
class AsyncStream(AsyncIterator[Piece]):
    """The answer of a job that is being submitted, as it is written."""

    def __init__(self, submit: Submit, submissions: Submissions) -> None:
        self._submit = submit
        self._submission = submissions.begin(submit)
        self._pieces = self._read()

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> Piece:
        return await anext(self._pieces)

    async def aclose(self) -> None:
        """Stop reading; the job goes on.

        Raises:
            HomaError: it could not be submitted, and nobody was told.
        """
        await self._pieces.aclose()
        submission, self._submission = self._submission, None
        if submission is not None:
            await submission

    async def _read(self) -> AsyncGenerator[Piece, None]:
        submission, self._submission = self._submission, None
        job = await (self._submit() if submission is None else submission)
        async for piece in job.stream():
            yield piece
