"""Steps of flows that are code: a registered function is run in the place of a call, and its result is the reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from homa_shared.calls.tools import BadArguments, Tool
from homa_shared.model.records import State
from homa_workers.attempt import RunningAttempt
from homa_workers.outcomes.halting import Unsent, ended, refused
from homa_workers.outcomes.outcomes import Succeeded
from homa_workers.pipeline.own_reply import own_reply
from homa_workers.tools.toolbox import MOST_BYTES, Toolbox, ToolFailed


async def run_code(attempt: RunningAttempt, toolbox: Toolbox) -> Succeeded:
    """The result of a code step; it costs nothing.

    Raises:
        Halted: this process has no such function, or it failed.
    """
    return code_reply(attempt, await result_of(attempt, toolbox))


async def result_of(attempt: RunningAttempt, toolbox: Toolbox, most_bytes: int = MOST_BYTES) -> str:
    """What the function of a code step brings, as text.

    Raises:
        Halted: as `run_code`.
    """
    name = attempt.request.rules.code
    tool = toolbox.find(name)
    if tool is None:
        raise refused(
            f"function {name!r} is not registered at this worker: start it with --actors MODULE, "
            "the module that declares it with @tool"
        )
    try:
        return await toolbox.called(tool, _arguments(tool, attempt.values), most_bytes)
    except (BadArguments, ToolFailed) as error:
        raise ended(Unsent("code", f"{name}: {error}"), State.FAILED) from error


def code_reply(attempt: RunningAttempt, said: str) -> Succeeded:
    """What a code step says, as a reply."""
    return own_reply(attempt, "code", attempt.request.rules.code, said)


def _arguments(tool: Tool[..., Any], values: Mapping[str, Any]) -> str:
    """What a function takes of the values that prompts may name, as JSON."""
    wanted = tool.parameters.get("properties") or {}
    return orjson.dumps({name: values[name] for name in wanted if name in values}).decode()
