"""`homa metrics`: the store's metrics for Prometheus, from one process."""

from __future__ import annotations

import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from homa.cli.context import say, session
from homa.runs.signals import Interruption
from homa_shared.model.errors import ConfigError, MissingExtra

if TYPE_CHECKING:
    from homa.client.session import Session

#: Where nothing else is said.
DEFAULT_PORT = 9464
_LOOK_S = 0.2


@click.command("metrics")
@click.option("--once", is_flag=True, help="Print them once, and end.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Serve them at this port, 9464 if not given; 0: any free one."
)
@click.option("--host", help="Address to serve them at; the setting metrics_host if not given.")
def command(once: bool, port: int | None, host: str | None) -> None:
    """Serve the store's metrics to Prometheus: queues, limits, breakers, budgets, the workers that are needed.

    One process does for a fleet. Each worker serves those of its own attempts (`homa worker --metrics-port`).
    """
    if find_spec("prometheus_client") is None:
        raise MissingExtra("homa metrics", "metrics")
    with session() as here:
        if once:
            _print(here)
        else:
            settings = here.settings
            chosen = port if port is not None else settings.metrics_port
            _serve(here, host or settings.metrics_host, DEFAULT_PORT if chosen is None else chosen)


def _print(here: Session) -> None:
    from homa_shared.metrics.exposition import exposition
    from homa_shared.metrics.store_metrics import Labels, families, look

    text, _ = exposition(families(look(here.store), Labels()))
    click.echo(text.decode(), nl=False)


def _serve(here: Session, host: str, port: int) -> None:
    """Until a signal. Raises ConfigError where the port cannot be had."""
    from homa_shared.metrics.endpoint import Endpoint
    from homa_shared.metrics.store_metrics import StoreExporter

    exporter = StoreExporter(here.store)
    try:
        endpoint = Endpoint(host, port, exporter.collect, ready=exporter.away_why)
    except OSError as error:
        raise ConfigError(
            f"{host}:{port} cannot be had ({error}); expected a free port: name another by --port"
        ) from None
    endpoint.start()
    say(f"metrics at {endpoint.url}")
    stopped = threading.Event()
    interruption = Interruption()
    interruption.on_signal = stopped.set
    try:
        with interruption.listening():
            # A wait without an end would not let Python handle the signal on every platform.
            while not stopped.wait(_LOOK_S):
                pass
    finally:
        endpoint.stop()
