"""`homa demo`: simulated providers with faults, real workers of which one is killed, a real batch, and its bill."""

from __future__ import annotations

import click

from homa.cli.context import say
from homa.cli.documents.work import DemoDocument
from homa.cli.exit_status import SOME_FAILED, Stopped
from homa.cli.output import console, json_option, print_json
from homa.runs.errors import SignalReceived
from homa.runs.signals import Interruption
from homa.supervision.requirements import require_workers
from homa_shared.model.errors import HomaError


@click.command("demo")
@click.option(
    "--documents", "count", type=click.IntRange(50, 100_000), default=1000, show_default=True, help="How many."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of documents' order, latencies and faults.")
@json_option(DemoDocument, said="The report as one JSON document; progress goes to stderr.")
def command(count: int, seed: int, as_json: bool) -> None:
    """Watch simulated providers, real workers and a real batch.

    Needs no key, no server and no root, and costs nothing: providers are simulated on this machine, with quotas,
    errors, cut connections and calls that hang. One of the workers is killed on the way. The report at the end compares
    results with documents, and Homa's ledger with the providers' bills; status 1 when a promise is broken.
    """
    from homa.demo.display import report, reporter
    from homa.demo.environment import environment
    from homa.demo.walkthrough import run_demo

    require_workers("homa demo")
    shown = console(stderr=as_json)
    try:
        # Ends by an exception, so that the demo's processes and files go with it.
        with Interruption(at_once=True).listening(), environment(seed) as here, reporter(shown) as reporting:
            found = run_demo(here, count, seed, reporting)
    except SignalReceived:
        say("interrupted")
        raise
    except HomaError as error:
        say(f"the demo did not come to its end: {error}")
        raise Stopped(SOME_FAILED) from error
    if as_json:
        print_json(found.document())
    else:
        report(shown, found)
    if not found.held:
        raise Stopped(SOME_FAILED)
