"""How commands answer: tables for people, one JSON document for programs, JSON Lines for what goes on.

stdout belongs to the answer. A table is as wide as the terminal, and as wide as it needs to be elsewhere, so
that `homa jobs list | grep` finds whole lines.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any

import click
import orjson
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from homa.cli.context import say, visible
from homa.cli.table_layout import table
from homa.client.management.units import nano_of
from homa.client.management.wording import age, dollars, moment, number, span
from homa_shared.model.money import usd

__all__ = [
    "JsonOption",
    "age",
    "console",
    "dollars",
    "json_option",
    "moment",
    "number",
    "print_facts",
    "print_json",
    "print_json_line",
    "print_table",
    "span",
    "usd_or_null",
]

#: Columns of output that does not go to a terminal: more than any row needs.
_PIPE_COLUMNS = 10_000

#: What `--json` does where a command does not say otherwise.
_JSON_HELP = "One JSON document on stdout, nothing else there."


class JsonOption(click.Option):
    """`--json`, with the types of the documents that its command prints by it: `homa schema` makes schemas of them."""

    def __init__(self, *args: Any, documents: Sequence[type[Any]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.documents = documents


def json_option(*documents: type[Any], said: str = _JSON_HELP) -> Callable[[Any], Any]:
    """`--json` of a command that lists or sums.

    Args:
        documents: types of what it prints, each by its arguments; of JSON Lines, those of a line.
        said: its help.
    """
    return click.option("--json", "as_json", cls=JsonOption, documents=documents, is_flag=True, help=said)


def print_json(document: Any) -> None:
    """The one document of a command."""
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


def print_json_line(document: Any) -> None:
    """One line of many, at once."""
    click.echo(orjson.dumps(document).decode())


def print_table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Collection[str] = (),
    wraps: Collection[str] = (),
    empty: str = "",
) -> None:
    """Rows under headers; columns in which no row has anything are left out.

    Args:
        right: headers of the columns that are flush right.
        wraps: headers of the columns whose text may go on in a next line; ids, times and numbers stay whole.
        empty: what to say on stderr where there are no rows.
    """
    found = [list(row) for row in rows]
    if not found:
        if empty:
            say(empty)
        return
    kept = [i for i, _ in enumerate(headers) if any(row[i] for row in found)]
    names = [headers[i] for i in kept]
    _print(table(console(), names, [[row[i] for i in kept] for row in found], right=right, wraps=wraps))


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Names and values, a line each; empty values are left out."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(no_wrap=True, style="bold")
    made.add_column(overflow="fold")
    for name, value in facts:
        if value:
            made.add_row(Text(name), Text(visible(value)))
    _print(made)


def _print(shown: RenderableType) -> None:
    here = console()
    if here.is_terminal:
        here.print(shown)
        return
    with here.capture() as captured:
        here.print(shown)
    # Rich fills the last column up with spaces, which only a terminal's background would show.
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def console(*, stderr: bool = False) -> Console:
    """Where tables go."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, highlight=False, soft_wrap=False, width=None if stream.isatty() else _PIPE_COLUMNS)


def usd_or_null(amount: Decimal | int | None) -> str | None:
    """An amount for programs: a decimal string.

    Args:
        amount: dollars as a Decimal, or nano-dollars as an int.
    """
    if amount is None:
        return None
    return usd(nano_of(amount) if isinstance(amount, Decimal) else amount)
