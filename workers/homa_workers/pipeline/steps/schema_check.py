"""Whether an answer fits its schema, found out without holding up the worker's other jobs.

Short answers to ordinary schemas are checked at once, within a number of steps. All else goes to a process of its own,
which is ended after some seconds: a long answer, a schema whose references multiply, a pattern that only Python's `re`
understands. A thread would not do: `re`, and JSON of megabytes, hold the interpreter's lock for as long as they take.

The library of schemas is loaded with the first one, since it takes a second where its optional formats are installed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import orjson

from homa_shared.model.errors import InvalidReply, InvalidRequest

if TYPE_CHECKING:
    from homa_shared.calls.json_schema import AnswerSchema

#: Longest answer that is checked at once, in characters.
AT_ONCE_CHARS = 64 * 1024
#: Longest that a process may take, s.
LONGEST_S = 20.0
#: Most such processes of a worker process at once.
_PROCESSES = 2
_LIBRARY = "homa_shared.calls.json_schema"
_COMMAND = (sys.executable, "-m", "homa_shared.calls.schema_process")


async def ready(schema: Mapping[str, Any]) -> AnswerSchema:
    """A schema ready to check answers. Raises InvalidRequest for one that is not valid."""
    # Not whether the module is there: one that another job is loading is, and its import holds up the loop until then.
    if not hasattr(sys.modules.get(_LIBRARY), "answer_schema"):
        await asyncio.to_thread(import_module, _LIBRARY)
    from homa_shared.calls.json_schema import answer_schema

    return answer_schema(schema)


async def check(schema: AnswerSchema, text: str) -> None:
    """Checks an answer.

    Raises:
        InvalidReply: it does not fit; the message names what is wrong where, for the model.
        InvalidRequest: the schema refers to something that it does not hold, or takes too long to check.
    """
    from homa_shared.calls.bounded_keywords import TooManySteps

    if schema.is_linear and len(text) <= AT_ONCE_CHARS:
        try:
            schema.check(text)
        except TooManySteps:
            pass
        else:
            return
    async with _slots(asyncio.get_running_loop()):
        await _check_apart(schema, text)


@lru_cache(maxsize=8)
def _slots(loop: asyncio.AbstractEventLoop) -> asyncio.Semaphore:
    return asyncio.Semaphore(_PROCESSES)


async def _check_apart(schema: AnswerSchema, text: str) -> None:
    asked = orjson.dumps({"schema": schema.schema, "text": text})
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(LONGEST_S):
            told, _ = await process.communicate(asked)
    except TimeoutError:
        why = f"the schema takes more than {LONGEST_S:g} s to check an answer of {len(text)} characters"
        raise InvalidRequest(f"{why}: simplify its patterns and references") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise InvalidRequest(f"the schema cannot be checked: its process ended with status {process.returncode}")
    found = orjson.loads(told)
    if found.get("invalid"):
        raise InvalidRequest(found["invalid"])
    if found["wrong"]:
        raise InvalidReply(found["wrong"])
