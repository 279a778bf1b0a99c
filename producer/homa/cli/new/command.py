"""`homa new`: a package to start a plugin from."""

from __future__ import annotations

from pathlib import Path

import click

from homa.cli.context import say
from homa.cli.new.sorts import SORTS


@click.command("new")
@click.argument("sort", type=click.Choice(list(SORTS)), metavar="|".join(SORTS))
@click.argument("name")
@click.option("--directory", type=click.Path(path_type=Path), help="Where it is written. Default: homa-NAME.")
def command(sort: str, name: str, directory: Path | None) -> None:
    """Write a package to start a plugin from: its module, its test and its entry point.

    Nothing that exists is overwritten. `pip install --editable DIRECTORY` installs it, `pytest DIRECTORY` tests it.
    """
    from homa.cli.new.writing import write

    made = write(SORTS[sort], name, directory)
    for path in made:
        click.echo(str(path))
    say(f"a {sort} to start from: pip install --editable {made[0].parent} installs it, homa plugins lists it")
