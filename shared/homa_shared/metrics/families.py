"""Samples gathered under the catalogue's metrics, as the official client exposes them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family

from homa_shared.metrics.metric import Metric

#: Nano-dollars of a dollar.
_NANO = 1_000_000_000


def dollars(nano_usd: int) -> float:
    """Nano-dollars as Prometheus counts, in floats: exact to the nano-dollar below four million dollars."""
    return nano_usd / _NANO


class Tally:
    """Counts of one histogram series; adding to it costs a search among the bounds and two additions.

    Args:
        bounds: upper bounds of its buckets, s, ascending; one more holds what is above.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Bounds and how many values are no greater."""
        names = [*map(str, self.bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(list(self.counts))), strict=True))


class Families:
    """The samples of one scrape. Those of equal labels become one: several models may share the label `other`."""

    def __init__(self) -> None:
        self._samples: dict[Metric, dict[tuple[str, ...], float]] = {}
        self._tallies: dict[Metric, dict[tuple[str, ...], Tally]] = {}

    def add(self, metric: Metric, value: float, *labels: str) -> None:
        """Adds to a sample: amounts of equal labels are summed."""
        self._put(metric, value, labels, lambda before: before + value)

    def highest(self, metric: Metric, value: float, *labels: str) -> None:
        """Sets a sample; of those of equal labels the highest stays."""
        self._put(metric, value, labels, lambda before: max(before, value))

    def tally(self, metric: Metric, tally: Tally, *labels: str) -> None:
        """Adds a histogram's series."""
        self._tallies.setdefault(metric, {})[labels] = tally

    def _put(self, metric: Metric, value: float, labels: tuple[str, ...], joined: Callable[[float], float]) -> None:
        samples = self._samples.setdefault(metric, {})
        samples[labels] = joined(samples[labels]) if labels in samples else value

    def __iter__(self) -> Iterator[Family]:
        for metric, samples in self._samples.items():
            made = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
            family = made(metric.name, metric.help, labels=metric.labels)
            for labels, value in samples.items():
                family.add_metric(labels, value)
            yield family
        for metric, tallies in self._tallies.items():
            histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, tally in tallies.items():
                histogram.add_metric(labels, tally.buckets(), tally.total)
            yield histogram
