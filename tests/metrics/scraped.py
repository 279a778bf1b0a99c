"""What a scrape says, by metric and labels, read by the official parser."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from homa_shared.metrics.exposition import exposition
from homa_shared.metrics.store_metrics import Labels, families, look
from homa_shared.store.client import Store


@dataclass(frozen=True)
class Scrape:
    """The samples of one scrape."""

    text: str

    @property
    def samples(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
        }

    def __getitem__(self, name: str) -> dict[str, float]:
        """The values of a metric, by their labels' values, in the order of the labels' names."""
        return {
            ",".join(value for _, value in labels): found for (n, labels), found in self.samples.items() if n == name
        }

    def value(self, name: str, **labels: str) -> float:
        return self.samples[name, tuple(sorted(labels.items()))]


def scraped(collected: Iterable[Family]) -> Scrape:
    return Scrape(exposition(collected)[0].decode())


def scrape(store: Store, labels: Labels | None = None) -> Scrape:
    return scraped(families(look(store), labels or Labels()))
