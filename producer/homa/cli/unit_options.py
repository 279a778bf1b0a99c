"""The flags that say what of a document an answer is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

#: As homa.files.units.unit has them, which `homa --help` need not import; a test compares.
UNITS = ["document", "page", "section", "chunk"]
#: As homa.runs.long.ways has them.
WAYS = ["error", "map-reduce", "refine", "truncate"]

_FLAGS = (
    click.option("--unit", type=click.Choice(UNITS), help="An answer for each; default: the document."),
    click.option("--chunk-tokens", type=click.IntRange(1), help="Most tokens of a chunk. Default: 4000."),
    click.option("--long", type=click.Choice(WAYS), help="A document above the model's window. Default: error."),
    click.option("--window", type=click.IntRange(1), metavar="TOKENS", help="The model's. Default: as it is known."),
    click.option("--overlap", type=click.IntRange(0), help="Tokens that a chunk repeats of the one before."),
)


def unit_options(command: Command) -> Command:
    """Adds the flags to a command that asks about documents."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command
