"""`homa simulate`: becomes `python -m homa_workers.simulator`, with its arguments as they are."""

from __future__ import annotations

import click

from homa.cli.worker import become


@click.command("simulate", add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Run just the simulated providers: limits, faults, a bill. `homa simulate --help` lists the options."""
    become("homa_workers.simulator", arguments, "the simulator")
