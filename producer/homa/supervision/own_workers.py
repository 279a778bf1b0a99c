"""Workers that a process starts for its own jobs, where nobody else serves their providers; they end with it."""

from __future__ import annotations

from collections.abc import Sequence

from homa.supervision.requirements import check_startable
from homa.supervision.supervised_worker import RestartPolicy, WorkerSpec
from homa_shared.backoff import Backoff
from homa_shared.settings.model import Settings

#: A worker that crashes more often than this ends the work: nothing would ever come of it.
RESTARTS = 2
#: Somebody waits: the pauses are short.
_BACKOFF = Backoff(first_s=0.1, longest_s=1.0)


def restart_policy() -> RestartPolicy:
    """What happens after a crash of one."""
    return RestartPolicy(RESTARTS, _BACKOFF)


def own_specs(settings: Settings, providers: Sequence[str], count: int, name: str) -> list[WorkerSpec]:
    """How workers for some jobs of this process are started.

    Args:
        settings: of this process; workers read the same ones.
        providers: that each of them serves; none means no worker at all.
        count: of processes.
        name: of their logs.

    Raises:
        MissingExtra: workers are not installed.
        ConfigError: a provider is not configured here.
    """
    if providers:
        check_startable(settings, providers)
    numbers = range(1, count + 1) if providers else ()
    return [
        WorkerSpec(
            "the worker" if count == 1 else f"worker {number}",
            providers,
            settings.home / "logs" / f"{name}-worker-{number}.log",
        )
        for number in numbers
    ]
