"""`homa config show`: every setting, and where it came from."""

from __future__ import annotations

import click

from homa.cli.context import settings_context
from homa.cli.output import json_option, print_json, print_table


@click.group("config")
def command() -> None:
    """Show settings and where they come from."""


@command.command()
@json_option
def show(as_json: bool) -> None:
    """Every setting with its value, secrets masked, and its origin: a variable, file:line, or default."""
    from homa_shared.settings.model import origins

    rows = origins(settings_context().settings)
    if as_json:
        print_json({"settings": [{"name": row.name, "value": row.value, "origin": row.origin} for row in rows]})
    else:
        print_table(("SETTING", "VALUE", "ORIGIN"), rows, wraps={"VALUE", "ORIGIN"})
