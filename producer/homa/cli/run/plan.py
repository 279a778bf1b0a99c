"""`python -m homa.cli.run.plan FOLDER ARGS…`: checks arguments of `homa run` that a schedule keeps, and prints them.

Paths are made absolute, since workers run in other folders. Inputs are not looked at: they need be on the workers'
machines alone, and at the ticks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click
import orjson

from homa.cli.file_options import schema_file
from homa.cli.run.command import command
from homa.runs.long.ways import DIVIDING, TRUNCATE
from homa.runs.tally import MaxFailures
from homa_shared.model.errors import HomaError, InvalidRequest

#: What has no place in a schedule, and why.
_REFUSED = {
    "output": "results stay in the store: `homa batches results ID`, or --deliver of the schedule",
    "form": "results stay in the store: `homa batches results ID`, or --deliver of the schedule",
    "resume": "a batch that was cut is gone on with by itself",
    "redo": "each tick makes a batch of its own",
    "retry": "each tick makes a batch of its own",
    "changed": "each tick makes a batch of its own",
    "prune": "each tick makes a batch of its own",
    "force": "each tick makes a batch of its own",
    "workers": "the fleet's workers do it",
    "detach": "nobody waits for it as it is",
    "fill": "a worker says which batch it fills",
    "flow": "each tick makes a batch, whose lines are single calls",
    "cite": "quotes are looked for where results are written to a file, and these stay in the store",
    "dry_run": "nothing would be done: try it with `homa run` before",
    "progress": "nobody watches it",
    "debug": "set HOMA_DEBUG=1 for the workers",
    "as_json": "nobody reads it: `homa schedules show NAME --json`",
}


def planned(arguments: Sequence[str], folder: str) -> dict[str, Any]:
    """What a schedule keeps of a run: `arguments`, `line_cap` (nano-dollars of each batch), `failures_most`, `model`,
    `fallbacks`, `tenant`, and whether lines are made by a template of `prompt`.

    Args:
        folder: that relative paths begin at.

    Raises:
        InvalidRequest: an argument is wrong, or has no place in a schedule.
    """
    try:
        context = command.make_context("homa run", list(arguments), resilient_parsing=False)
    except click.ClickException as error:
        raise InvalidRequest(f"run: {error.format_message()}") from None
    except click.exceptions.Exit:
        raise InvalidRequest("run: --help has no place in a schedule: expected inputs and options") from None
    given, params = _given(context), context.params
    for name in given & _REFUSED.keys():
        raise InvalidRequest(f"run: {_flag(name)} has no place in a schedule: {_REFUSED[name]}")
    if not params["inputs"]:
        raise InvalidRequest("run: INPUT is missing: expected files, directories, globs or addresses")
    if "-" in params["inputs"]:
        raise InvalidRequest("run: - is the standard input of nobody: expected files, directories, globs or addresses")
    if params["long"] in DIVIDING:
        raise InvalidRequest(
            f"run: --long {params['long']} has no place in a schedule: each tick makes a batch, whose lines are single "
            f"calls; expected --long {TRUNCATE}, or --unit chunk"
        )
    if params["max_failures"] is not None:
        MaxFailures.parse(params["max_failures"])
    return {
        "arguments": [*_options(arguments, folder), "--", *(_absolute(name, folder) for name in params["inputs"])],
        "line_cap": params["budget_usd"],
        "failures_most": params["max_failures"],
        "model": params["model"],
        "fallbacks": list(params["fallbacks"]),
        "tenant": params["tenant"] or "",
    }


def _given(context: click.Context) -> set[str]:
    source = click.core.ParameterSource.COMMANDLINE
    return {name for name in context.params if context.get_parameter_source(name) is source}


def _flag(name: str) -> str:
    return next(option.opts[-1] for option in command.params if option.name == name)


def _options(arguments: Sequence[str], folder: str) -> Iterator[str]:
    """The arguments but for the inputs, which stand anywhere among them."""
    known = {flag: each for each in command.params for flag in (*each.opts, *each.secondary_opts)}
    left = iter(arguments)
    for argument in left:
        if argument == "--":
            return
        name, sign, value = argument.partition("=")
        option = known.get(name if argument.startswith("--") else argument[:2]) if argument[:1] == "-" else None
        if not isinstance(option, click.Option):
            continue
        if option.is_flag:
            yield argument
        elif argument.startswith("--"):
            yield from (name, _value(option, value if sign else next(left), folder))
        else:
            yield from (argument[:2], _value(option, argument[2:] or next(left), folder))


def _value(option: click.Option, value: str, folder: str) -> str:
    """A value, with the path of a file that it names made absolute."""
    if option.name == "schema" and (file := schema_file(value)) is not None:
        return _absolute(file, folder)
    if option.name in ("prompt", "system") and value.startswith("@"):
        return f"@{_absolute(value[1:], folder)}"
    return value


def _absolute(name: str, folder: str) -> str:
    return name if "://" in name else os.path.join(folder, os.path.expanduser(name))


def main() -> int:
    """Prints one JSON document: the plan, or what is wrong."""
    folder, *arguments = sys.argv[1:]
    try:
        found = planned(arguments, folder)
    except HomaError as error:
        found = {"error": str(error)}
    sys.stdout.buffer.write(orjson.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
