"""`homa demo`: simulated providers with faults, real workers of which one is killed, a real batch, and its bill."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import click
from rich.console import Console

from homa.cli.exit_status import SOME_FAILED, TERMINATED, Stopped
from homa.cli.output import print_json
from homa.cli.worker import require_workers
from homa_shared.model.errors import HomaError


@click.command("demo")
@click.option(
    "--documents", "count", type=click.IntRange(50, 100_000), default=1000, show_default=True, help="How many."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of documents' order, latencies and faults.")
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON document; progress goes to stderr.")
def command(count: int, seed: int, as_json: bool) -> None:
    """Watch simulated providers, real workers and a real batch.

    Needs no key, no server and no root, and costs nothing: providers are simulated on this machine, with quotas,
    errors, cut connections and calls that hang. One of the workers is killed on the way. The report at the end compares
    results with documents, and Homa's ledger with the providers' bills; status 1 when a promise is broken.
    """
    from homa.demo.scene import scene
    from homa.demo.stages import report, stage
    from homa.demo.story import play

    require_workers("homa demo")
    before = signal.signal(signal.SIGTERM, _terminated)
    console = Console(file=sys.stderr if as_json else sys.stdout, highlight=False)
    try:
        with scene(seed) as here, stage(console) as told:
            found = play(here, count, seed, told)
    except HomaError as error:
        click.echo(f"homa: the demo did not come to its end: {error}", err=True)
        raise Stopped(SOME_FAILED) from error
    finally:
        signal.signal(signal.SIGTERM, before)
    if as_json:
        print_json(found.document())
    else:
        report(console, found)
    if not found.held:
        raise Stopped(SOME_FAILED)


def _terminated(_number: int, _frame: FrameType | None) -> None:
    """Ends by an exception, so that the demo's processes and files go with it."""
    raise Stopped(TERMINATED)
