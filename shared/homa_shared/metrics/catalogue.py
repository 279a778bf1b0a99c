"""Every metric: name, type, labels, meaning. Exporters make no other, and docs/metrics.md is written from here.

Names follow Prometheus' conventions: base units (seconds, dollars, bytes) at their end, `_total` for counters. Labels
are names of the settings, models and a few fixed words; never a tenant, a tag, a job, or anything of a request.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from homa_shared.metrics import store_catalogue, worker_catalogue
from homa_shared.metrics.metric import Metric


class Source(StrEnum):
    """Who exports a metric."""

    #: Any one process that can reach the store: `homa metrics`, and the gateway.
    STORE = "store"
    #: Each worker process, of its own attempts.
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Entry:
    """A metric, and who exports it."""

    metric: Metric
    source: Source


#: By name.
CATALOGUE = MappingProxyType(
    {metric.name: Entry(metric, Source.STORE) for metric in store_catalogue.METRICS}
    | {metric.name: Entry(metric, Source.WORKER) for metric in worker_catalogue.METRICS}
)
