"""Runs tool calls: async tools on the worker's loop, sync ones in threads, each under its own time limit.

Whatever goes wrong in a tool is an answer to the model, which may try something else; nothing of it fails the job.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
from pydantic_core import PydanticSerializationError, to_json

from homa_shared.tools import BadArguments, Tool, registered

#: Sync tools that run at once in one process.
THREADS = 32
#: Largest result that a model is given, bytes.
MOST_BYTES = 1_000_000


class Toolbox:
    """The tools of one process.

    Args:
        tools: by name; without it all that are registered, also later.
    """

    def __init__(self, tools: Mapping[str, Tool] | None = None) -> None:
        self._tools = registered() if tools is None else tools
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="homa-tool")

    def find(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def missing(self, names: Sequence[str]) -> list[str]:
        """Those of some names that are no tools of this process."""
        return [name for name in names if name not in self._tools]

    async def run(self, tool: Tool, arguments: str) -> str:
        """What a call brings, or what went wrong, as text for the model.

        Args:
            arguments: JSON, as the model wrote it.
        """
        try:
            given = tool.arguments(arguments)
            async with asyncio.timeout(tool.timeout_s) as limit:
                return _text(await self._result(tool, given))
        except BadArguments as error:
            return failure(str(error))
        except TimeoutError as error:
            late = f"{tool.name} did not end within {tool.timeout_s:g} s"
            return failure(late if limit.expired() else _said(error))
        except Exception as error:
            return failure(_said(error))

    async def _result(self, tool: Tool, given: dict[str, Any]) -> Any:
        if tool.is_async:
            return await tool.function(**given)
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        # One that is late is left behind with its thread: a thread can't be cut.
        return await loop.run_in_executor(self._threads, lambda: context.run(tool.function, **given))

    def close(self) -> None:
        """Waits for no thread."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def failure(message: str) -> str:
    """An error as a model is told it."""
    return orjson.dumps({"error": message}).decode()


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _text(result: Any) -> str:
    if isinstance(result, str):
        text = result
    else:
        try:
            text = to_json(result).decode()
        except PydanticSerializationError as error:
            return failure(f"the result cannot be written as JSON: {error}")
    size = len(text.encode("utf-8", "replace"))
    return text if size <= MOST_BYTES else failure(f"the result has {size} bytes, and at most {MOST_BYTES} are taken")
