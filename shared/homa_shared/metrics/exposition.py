"""Families as text, in the format that a scraper asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector, CollectorRegistry


class _Collected(Collector):
    def __init__(self, collect: Callable[[], Iterable[Family]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Family]:
        return self._collect()


def registry(*collects: Callable[[], Iterable[Family]]) -> CollectorRegistry:
    """A registry of what functions collect at each scrape."""
    made = CollectorRegistry(auto_describe=False)
    for collect in collects:
        made.register(_Collected(collect))
    return made


def exposition(collected: Iterable[Family], accept: str = "") -> tuple[bytes, str]:
    """Families as Prometheus reads them, and the content type.

    Args:
        accept: the scraper's Accept header; OpenMetrics where it asks for that.
    """
    encode, content_type = choose_encoder(accept)
    families = list(collected)
    return encode(registry(lambda: families)), content_type
