"""`homa up`: the embedded store, and a worker process for each configured provider, on one machine."""

from __future__ import annotations

import click

from homa.cli.context import say, session
from homa.cli.worker import require_workers
from homa.cli.worker_supervisor import Supervisor
from homa_shared.model.errors import ConfigError
from homa_shared.store.join import enter
from homa_shared.store.transitions.fleet import write_fleet


@click.command("up")
@click.argument("providers", nargs=-1)
@click.option("--concurrency", type=click.IntRange(1), help="Most calls at once in each worker.")
def command(providers: tuple[str, ...], concurrency: int | None) -> None:
    """Run everything on one machine until Ctrl-C: the store and a worker for each configured provider.

    Workers that die are started again. Ctrl-C drains them, a second one stops them now; the store goes on until it has
    been idle for long, or until `homa store stop`.
    """
    require_workers("homa up")
    with session(start=True) as here:
        names = _chosen(set(here.settings.providers), providers)
        fleet = enter(here.store, here.settings.fleet())
        if here.settings.redis_url is None and fleet.digest != here.settings.fleet().digest:
            # The embedded store is this machine's own: its settings follow the file.
            here.store.run(write_fleet(here.keys, here.settings.fleet(), seen=fleet.version))
            say("the fleet's settings follow this machine's")
    options = ["--concurrency", str(concurrency)] if concurrency else []
    supervisor = Supervisor({name: [name, *options] for name in names})
    supervisor.run()


def _chosen(configured: set[str], wanted: tuple[str, ...]) -> list[str]:
    unknown = [name for name in wanted if name.lower() not in configured]
    if unknown:
        raise ConfigError(
            f"provider {unknown[0]!r} is not configured: expected one of {', '.join(sorted(configured)) or 'none yet'}"
        )
    if not configured:
        raise ConfigError(
            "no provider is configured: set OPENAI_API_KEY, ANTHROPIC_API_KEY or another provider's variable, "
            "or [providers.<name>] in homa.toml; `homa demo` needs none"
        )
    return sorted({name.lower() for name in wanted} or configured)
