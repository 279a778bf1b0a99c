"""The endpoint at which Prometheus and Kubernetes ask a worker process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from prometheus_client.metrics_core import Metric as Family

from homa_shared.metrics.endpoint import Endpoint
from homa_shared.metrics.families import Families
from homa_workers.middleware.attempt_metrics import AttemptMetrics
from homa_workers.observe.logs import Level
from homa_workers.process.build import WorkerProcess
from homa_workers.process.vital_signs import VitalSigns


@asynccontextmanager
async def serving(
    process: WorkerProcess, host: str, port: int, say: Callable[[str, Level], None]
) -> AsyncIterator[None]:
    """Serves metrics and probes for as long as the block lasts.

    A port that cannot be had is told, and the worker works without: jobs are worth more than their metrics.
    """
    signs = VitalSigns(process.store, process.workers)
    try:
        endpoint = Endpoint(host, port, lambda: collected(process, signs), live=signs.dead_why, ready=signs.unready_why)
    except OSError as error:
        why = f"{host}:{port} cannot be had ({error})"
        say(f"warning: no metrics and no probes: {why}; --metrics-port names another one, 0 any", "warning")
        yield
        return
    sampling = asyncio.create_task(signs.run())
    endpoint.start()
    say(f"metrics at {endpoint.url}", "info")
    try:
        yield
    finally:
        sampling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sampling
        await asyncio.to_thread(endpoint.stop)


def collected(process: WorkerProcess, signs: VitalSigns) -> Iterable[Family]:
    """What the workers of a process have counted, and how it is doing."""
    told = Families()
    for chain in process.middleware:
        chain.find(AttemptMetrics).families(told)
    signs.families(told)
    return told
