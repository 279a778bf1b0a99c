"""The flags that say how inputs are read; the same for every command that reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from homa.files import ReadOptions
    from homa_shared.plugins import Policy

Command = TypeVar("Command", bound=Callable[..., Any])

_FLAGS = (
    click.option("--encoding", metavar="NAME", help="Of text. Default: UTF-8, else a guess that is told."),
    click.option("--input-format", metavar="NAME", help="Of all inputs (csv, html, …). Default: by content."),
    click.option("--raw", is_flag=True, help="Send HTML, mail, RTF, notebooks, subtitles and JSON as they stand."),
    click.option("--delimiter", metavar="C", help="Between cells of CSV; tab for tabs. Default: by the header."),
    click.option("--skip-rows", type=click.IntRange(0), default=0, help="Lines before a table's header."),
    click.option("--query", metavar="SQL", help="Rows of a SQLite file. Default: its one table."),
    click.option(
        "--sheets", type=click.Choice(["rows", "documents"]), default="rows", help="A prompt a row, or a sheet."
    ),
)
_PAGES = click.option(
    "--pages",
    type=click.Choice(["auto", "text", "image"]),
    default="auto",
    help="Pages as images: those without text, none, all.",
)


def input_options(command: Command) -> Command:
    """Adds the flags to a command that shows documents to a model."""
    return text_options(_PAGES(command))


def text_options(command: Command) -> Command:
    """Adds the flags to a command that wants text alone."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def read_options(given: Mapping[str, Any]) -> ReadOptions:
    """What the flags say, and the settings of plugins."""
    from homa.files import ReadOptions

    # `deadline_s` of a command is its jobs'.
    known = {each.name for each in fields(ReadOptions)} - {"id_column", "deadline_s", "plugins"}
    return ReadOptions(**{name: value for name, value in given.items() if name in known}, plugins=_policy())


def _policy() -> Policy:
    """What becomes of readers of installed packages; the settings are asked only where there are some."""
    from homa.files.readers.document import READERS
    from homa_shared.plugins import plugins_of

    if not plugins_of(READERS):
        return "skip"
    from homa_shared.settings.model import load_settings

    return load_settings().plugins
