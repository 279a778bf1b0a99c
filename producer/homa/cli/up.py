"""`homa up`: the embedded store, a worker process for each configured provider and the gateway, on one machine."""

from __future__ import annotations

import socket
import time

import click

from homa.cli.addresses import PORT
from homa.cli.context import say, submitting_session
from homa.runs.errors import SignalReceived
from homa.runs.signals import Interruption
from homa.supervision.crash_report import CrashReport
from homa.supervision.processes import module_command
from homa.supervision.requirements import has_gateway, require_workers
from homa.supervision.supervised_worker import RestartPolicy, WorkerSpec
from homa.supervision.supervisor import WorkerSupervisor
from homa_shared.backoff import Backoff
from homa_shared.model.errors import ConfigError
from homa_shared.settings.names import one_of
from homa_shared.store.transitions.fleet import read_fleet

#: Workers are kept running until somebody stops them.
RESTARTS = RestartPolicy(most=None, backoff=Backoff(first_s=1.0, longest_s=30.0, jitter=0))
_LOOK_S = 0.1


@click.command("up")
@click.argument("providers", nargs=-1)
@click.option("--concurrency", type=click.IntRange(1), help="Most calls at once in each worker.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(1, 65535), help="Of the gateway.")
@click.option("--gateway/--no-gateway", default=True, help="Serve HTTP as well, for this machine.")
def command(providers: tuple[str, ...], concurrency: int | None, port: int, gateway: bool) -> None:
    """Run everything on one machine until Ctrl-C: the store, a worker for each configured provider, and the gateway.

    Workers that die are started again. Ctrl-C drains them, a second one stops them now; the store goes on until it has
    been idle for long, or until `homa store stop`.
    """
    require_workers("homa up")
    with submitting_session() as here:
        names = _chosen(set(here.settings.providers), providers)
        before = here.store.run(read_fleet(here.keys))
        fleet = here.view().fleet
        if before is not None and before.providers and before.digest != fleet.digest:
            say("the fleet's settings follow this machine's")
    options = ["--concurrency", str(concurrency)] if concurrency else []
    workers = [WorkerSpec(f"worker {name}", [name, *options]) for name in names]
    serve(WorkerSupervisor([*workers, *(_gateway(port) if gateway else ())], RESTARTS, _say_crash))


def _gateway(port: int) -> list[WorkerSpec]:
    """How the gateway is started; nothing where it is not installed here, or cannot listen."""
    if not has_gateway():
        say("no gateway: it needs pip install 'homa-queue[gateway]'")
        return []
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            say(f"no gateway: port {port} is taken; choose another one with --port")
            return []
    return [WorkerSpec("gateway", ["--port", str(port)], command=module_command("homa.cli", "gateway"))]


def serve(workers: WorkerSupervisor) -> None:
    """Keeps workers running until a signal, then lets them drain; a second signal stops them at once.

    Raises:
        SignalReceived: by the first signal, when all have left.
        WorkerLost: the settings of one are wrong; the others have drained.
    """
    interruption = Interruption()
    with interruption.listening():
        try:
            _serve_until_signal(workers, interruption)
        except SignalReceived:
            workers.stop_now()
    assert interruption.signal is not None
    raise SignalReceived(interruption.signal)


def _serve_until_signal(workers: WorkerSupervisor, interruption: Interruption) -> None:
    workers.start()
    try:
        while interruption.signal is None:
            workers.check()
            time.sleep(_LOOK_S)
        say("draining: calls in flight finish; Ctrl-C once more to stop at once")
    finally:
        workers.drain()
        workers.wait(None)


def _say_crash(report: CrashReport, pause_s: float) -> None:
    say(f"{report.summary}; it is started again in {pause_s:g} s")


def _chosen(configured: set[str], wanted: tuple[str, ...]) -> list[str]:
    unknown = [name for name in wanted if name.lower() not in configured]
    if unknown:
        raise ConfigError(
            f"provider {unknown[0]!r} is not configured: {one_of(sorted(configured))}; set its key, or "
            f"[providers.{unknown[0]}] in homa.toml"
        )
    if not configured:
        raise ConfigError(
            "no provider is configured: set OPENAI_API_KEY, ANTHROPIC_API_KEY or another provider's variable, "
            "or [providers.<name>] in homa.toml; `homa demo` needs none"
        )
    return sorted({name.lower() for name in wanted} or configured)
