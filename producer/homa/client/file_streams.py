"""Results of `run_files` as they come, for threads and for event loops."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from homa.client.file_results import FileResult, FilesSummary

T = TypeVar("T")


class Stream(Protocol):
    """The run that brings them."""

    @property
    def summary(self) -> FilesSummary | None: ...

    def take(self) -> Sequence[FileResult[Any]]:
        """Waits for some; empty at the end."""
        ...

    def leave(self) -> None:
        """Ends the run, and waits for that."""

    def abandon(self) -> None:
        """Ends the run."""


class FileResults(Generic[T], Iterator[FileResult[T]]):
    """Results as they come, each input's once. Who leaves it early (`close`, or the end of `with`) ends the run."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._held: deque[FileResult[T]] = deque()

    @property
    def summary(self) -> FilesSummary | None:
        """Counts and costs; None until all results have come."""
        return self._stream.summary

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> FileResult[T]:
        if not self._held:
            self._held.extend(self._stream.take())
        if not self._held:
            raise StopIteration
        return self._held.popleft()

    def close(self) -> None:
        """Ends the run: what has not begun is cancelled, calls in flight are not waited for."""
        self._held.clear()
        self._stream.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self._stream.abandon()


class AsyncFileResults(Generic[T], AsyncIterator[FileResult[T]]):
    """The same on an event loop."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._held: deque[FileResult[T]] = deque()
        #: What a thread waits for; a task that is cancelled leaves it to the next one.
        self._taking: asyncio.Future[Sequence[FileResult[Any]]] | None = None

    @property
    def summary(self) -> FilesSummary | None:
        """Counts and costs; None until all results have come."""
        return self._stream.summary

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FileResult[T]:
        while not self._held:
            taking = self._taking = self._taking or asyncio.ensure_future(asyncio.to_thread(self._stream.take))
            await asyncio.wait([taking])
            if self._taking is not taking:  # another task has them
                continue
            self._taking = None
            found = taking.result()
            if not found:
                raise StopAsyncIteration
            self._held.extend(found)
        return self._held.popleft()

    async def aclose(self) -> None:
        """Ends the run: what has not begun is cancelled, calls in flight are not waited for."""
        self._held.clear()
        await asyncio.to_thread(self._stream.leave)
        if (taking := self._taking) is not None:
            self._taking = None
            await asyncio.gather(taking, return_exceptions=True)  # nobody wants it any more

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        self._stream.abandon()
