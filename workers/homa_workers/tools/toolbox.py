"""Runs tool calls: async tools on the worker's loop, sync ones in threads, each under its own time limit.

An async tool that goes on though it was cut off is left where it waits: its job would hold its lease and slot for ever.

Whatever goes wrong in a tool is an answer to the model, which may try something else; nothing of it fails the job.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pydantic_core import PydanticSerializationError, to_json

from homa_shared.calls.tools import BadArguments, Tool, registered
from homa_shared.model.json_safe import valid_text
from homa_workers.stepwise import apart

#: Sync tools that run at once in one process.
THREADS = 32
#: Largest result that a model is given, bytes.
MOST_BYTES = 1_000_000

#: Begins what a model is told of a call that failed.
FAILED = '{"error":'


class ToolFailed(Exception):
    """A call of a tool brought no result; the message says why."""


class Toolbox:
    """The tools of one process.

    Args:
        tools: by name; without it all that are registered, also later.
    """

    def __init__(self, tools: Mapping[str, Tool[..., Any]] | None = None) -> None:
        self._tools = registered() if tools is None else tools
        self._threads = asyncio.Semaphore(THREADS)

    def find(self, name: str) -> Tool[..., Any] | None:
        return self._tools.get(name)

    def missing(self, names: Sequence[str]) -> list[str]:
        """Those of some names that are no tools of this process."""
        return [name for name in names if name not in self._tools]

    async def run(self, tool: Tool[..., Any], arguments: str) -> str:
        """What a call brings, or what went wrong, as text for the model.

        Args:
            arguments: JSON, as the model wrote it.
        """
        try:
            return await self.called(tool, arguments)
        except (BadArguments, ToolFailed) as error:
            return failure(str(error))

    async def called(self, tool: Tool[..., Any], arguments: str, most_bytes: int = MOST_BYTES) -> str:
        """What a call brings, as text.

        Args:
            most_bytes: largest result.

        Raises:
            BadArguments: they do not fit.
            ToolFailed: it raised, took too long, or its result is no JSON.
        """
        given = tool.arguments(arguments)
        if not tool.is_async:
            # Waiting for a thread is not the tool's time.
            await self._threads.acquire()
        try:
            async with asyncio.timeout(tool.timeout_s) as limit:
                return _text(await apart(self._result(tool, given)), most_bytes)
        except ToolFailed:
            raise
        except TimeoutError as error:
            late = f"{tool.name} did not end within {tool.timeout_s:g} s"
            raise ToolFailed(late if limit.expired() else _said(error)) from error
        except Exception as error:
            raise ToolFailed(_said(error)) from error

    async def _result(self, tool: Tool[..., Any], given: dict[str, Any]) -> Any:
        try:
            result = tool.function(**given) if tool.is_async else await self._in_thread(tool, given)
            # A callable object may be async without looking so.
            return await result if inspect.isawaitable(result) else result
        except SystemExit as error:  # it ends a process, not the loop that all jobs share
            raise RuntimeError(_said(error)) from error

    def _in_thread(self, tool: Tool[..., Any], given: dict[str, Any]) -> asyncio.Future[Any]:
        """Runs a sync tool in a thread of its own.

        A thread can't be cut: one that is late is left behind, keeps its place until it ends, and, as a daemon, does
        not keep the process from ending.
        """
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        future: asyncio.Future[Any] = loop.create_future()

        def end(result: Any, error: BaseException | None) -> None:
            self._threads.release()
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        def work() -> None:
            result: Any = None
            failed: BaseException | None = None
            try:
                result = context.run(tool.function, **given)
            except StopIteration as error:  # no future holds one
                failed = RuntimeError(_said(error))
            except Exception as error:
                failed = error
            except BaseException as error:  # SystemExit ends a process, not a thread
                failed = RuntimeError(_said(error))
            # The loop may be gone with the worker.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(end, result, failed)

        try:
            threading.Thread(target=work, name=f"homa-tool-{tool.name}", daemon=True).start()
        except BaseException:
            # As where the system has no thread left: nothing runs that would give the place back.
            self._threads.release()
            raise
        return future


def failure(message: str) -> str:
    """An error as a model is told it."""
    return f"{FAILED}{orjson.dumps(valid_text(message)).decode()}}}"


def _said(error: BaseException) -> str:
    name = type(error).__name__
    try:
        said = str(error)
    except Exception:
        return name
    return f"{name}: {said}" if said else name


def _text(result: Any, most_bytes: int) -> str:
    if isinstance(result, str):
        # Names of files, and what is read as bytes, may hold halves of characters, which no store takes.
        text = valid_text(result)
    else:
        try:
            text = to_json(result).decode()
        except PydanticSerializationError as error:
            raise ToolFailed(f"the result cannot be written as JSON: {error}") from error
    size = len(text.encode())
    if size > most_bytes:
        raise ToolFailed(f"the result has {size} bytes, and at most {most_bytes} are taken")
    return text
