"""Arguments of `homa run` that a schedule keeps, checked by the command itself, which a client does not import."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

import orjson

from homa.submit.schedule_definition import RunArguments
from homa.supervision.processes import module_command
from homa_shared.model.errors import InvalidRequest

#: How long the check may take, s: it starts an interpreter, and reads nothing.
_TIMEOUT_S = 60


def plan_run(arguments: object, folder: str | None = None) -> RunArguments:
    """Checks arguments of a run.

    Args:
        folder: that relative paths begin at; None: this process's.

    Raises:
        InvalidRequest: they are no list of texts, or `homa run` would refuse them, or they have no place in a schedule.
    """
    listed = isinstance(arguments, Sequence) and not isinstance(arguments, str | bytes)
    if not listed or not all(isinstance(each, str) and "\0" not in each for each in arguments):  # type: ignore[attr-defined]
        raise InvalidRequest(
            f"run is {arguments!r:.80}: expected arguments of `homa run` as a list, such as "
            '["/data/*.txt", "--prompt", "Classify: {{text}}", "--model", "openai:…"]'
        )
    command = module_command("homa.cli.run.plan", folder or os.getcwd(), *arguments)  # type: ignore[misc]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_TIMEOUT_S, check=False)
    try:
        told = orjson.loads(done.stdout)
    except orjson.JSONDecodeError:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise InvalidRequest(f"run could not be checked: {' '.join(last)}") from None
    if "error" in told:
        raise InvalidRequest(told["error"])
    return RunArguments(
        arguments=tuple(told["arguments"]),
        line_cap=told["line_cap"],
        failures_most=told["failures_most"],
        model=told["model"],
        fallbacks=tuple(told["fallbacks"]),
        tenant=told["tenant"],
    )
