"""Flags of the options of a job, for the commands that submit jobs: declared and read by the table of options."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any, TypeVar

import click

from homa.cli.option_types import TargetText, nano_usd, seconds
from homa.submit.job_options import rows
from homa.submit.option_checks import Dollars, Number, OneOf, Seconds, Whole
from homa.submit.option_row import Command, Flag, JobOption

F = TypeVar("F", bound=Callable[..., Any])


class JobFlags:
    """The flags of one command, as decorators: some by name where its help shall list them, then the others.

    Args:
        command: whose flags they are.
        optional: options that others may stand for, though the command requires them otherwise.
    """

    def __init__(self, command: Command, *, optional: Container[str] = ()) -> None:
        self._command, self._optional = command, optional
        self._left = {name: row.flag for name, row in rows().items() if row.flag and command in row.flag.commands}

    def __call__(self, *names: str) -> Callable[[F], F]:
        """The flags of some options, in this order."""
        flags = [self._option(name, self._left.pop(name)) for name in names]

        def decorate(function: F) -> F:
            # The decorator nearest to the function makes the last line of the help.
            for flag in reversed(flags):
                function = flag(function)
            return function

        return decorate

    def others(self) -> Callable[[F], F]:
        """The flags that no decorator above has named, in the table's order."""
        return self(*self._left)

    def _option(self, name: str, flag: Flag) -> Callable[[F], F]:
        row = rows()[name]
        return click.option(
            flag.name,
            name,
            help=flag.commands[self._command] or flag.help or row.help,
            metavar=flag.metavar,
            multiple=flag.repeated,
            required=self._command in flag.required and name not in self._optional,
            **({"type": TargetText()} if name == "model" else _type_of(row)),
            **_default_of(flag, self._command),
        )


def job_options(command: Command, given: Mapping[str, Any], *but: str) -> dict[str, Any]:
    """Options of `submit` from a command's parameters; files that they name are read here.

    Args:
        but: options that the command makes itself.

    Raises:
        InvalidRequest: a value is wrong, or its file cannot be read.
    """
    found: dict[str, Any] = {}
    for name, row in rows().items():
        if row.flag is not None and command in row.flag.commands and name not in but:
            value = given[name]
            # A flag that may be repeated is an empty tuple where it is not given: it says nothing.
            found[name] = None if value is None or value == () else _read(name, value)
    return found


def _type_of(row: JobOption) -> dict[str, Any]:
    """What click is told of a value."""
    match row.check:
        case OneOf(words):
            return {"type": click.Choice(words)}
        case Whole(least):
            return {"type": click.IntRange(least)}
        case Number(least, most):
            return {"type": click.FloatRange(least, most)}
        case Seconds():
            return {"callback": seconds}
        case Dollars():
            return {"callback": nano_usd}
    return {}


def _default_of(flag: Flag, command: Command) -> dict[str, Any]:
    """What click is told of a default."""
    if command in flag.defaults:
        return {"default": flag.defaults[command], "show_default": True}
    # Of a pair that is not given, click would make False.
    return {"default": None} if "/" in flag.name else {}


def _read(name: str, value: Any) -> Any:
    """A value as `submit` takes it. What opens files is imported when it is needed: help does not."""
    if name == "budget_usd":
        from homa_shared.model.money import usd

        return usd(value)
    if name == "tags":
        from homa.cli.option_types import tags_of

        return tags_of(value)
    if name == "system":
        from homa.files import read_argument

        return read_argument(value, "--system")
    if name == "schema":
        from homa.cli.file_options import schema_of

        return schema_of(value)
    if name == "images":
        from homa.cli.file_options import images_of

        return images_of(value)
    return value
