"""The flags that say what of a document an answer is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from homa_shared.model.errors import InvalidRequest

if TYPE_CHECKING:
    from homa.files.units.unit import Units

Command = TypeVar("Command", bound=Callable[..., Any])

#: As homa.files.units.unit has them, which `homa --help` need not import; a test compares.
UNITS = ["document", "page", "section", "chunk"]
#: As homa.runs.long.ways has them.
WAYS = ["error", "map-reduce", "refine", "truncate"]
#: Those of them that ask about parts.
_DIVIDING = ("map-reduce", "refine")

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


def units_of(given: Mapping[str, Any]) -> Units:
    """What the flags say.

    Raises:
        InvalidRequest: they do not go together.
    """
    from homa.files.units.unit import CHUNK, CHUNK_TOKENS, DOCUMENT, Units

    kind, tokens, overlap = given.get("unit") or DOCUMENT, given.get("chunk_tokens"), given.get("overlap")
    divided = given.get("long") in _DIVIDING
    if divided and kind != DOCUMENT:
        raise InvalidRequest(
            f"--long {given['long']} with --unit {kind}: one is for an answer a document, the other for one a part; "
            "expected one of them"
        )
    if kind != CHUNK:
        for flag, value in (("--chunk-tokens", tokens), ("--overlap", overlap)):
            if value is not None and not divided:
                raise InvalidRequest(
                    f"{flag} {value} without --unit chunk or --long {'|'.join(_DIVIDING)}: expected both, or neither"
                )
        return Units(kind)
    return Units(kind, CHUNK_TOKENS if tokens is None else tokens, overlap or 0)


def parts_of(given: Mapping[str, Any]) -> Units | None:
    """Of how many tokens the parts of a document are that is above the window; None: of as many as fit.

    Raises:
        InvalidRequest: its parts would repeat too much.
    """
    from homa.files.units.unit import CHUNK, MOST_TOKENS, Units

    tokens, overlap = given.get("chunk_tokens"), given.get("overlap")
    if given.get("long") not in _DIVIDING or (tokens is None and overlap is None):
        return None
    return Units(CHUNK, MOST_TOKENS if tokens is None else tokens, overlap or 0)
