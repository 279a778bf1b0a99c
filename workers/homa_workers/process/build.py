"""Puts a worker process together from settings: store, fleet, an adapter and a worker for each provider it serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homa_shared.broker import HomaBroker
from homa_shared.model.errors import ConfigError
from homa_shared.model.ids import new_worker_id
from homa_shared.settings.fleet import Fleet
from homa_shared.settings.model import Settings
from homa_shared.settings.sections import ProviderSettings
from homa_shared.store.blobs import Blobs, open_blobs
from homa_shared.store.client import AsyncStore
from homa_shared.store.connection import StoreAddress
from homa_shared.store.join import enter
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.observe.attempt_log import Watch
from homa_workers.pipeline.pipeline import Pipeline
from homa_workers.process.accounts import account_config
from homa_workers.process.worker import HomaWorker
from homa_workers.providers.base import Provider
from homa_workers.providers.registry import create
from homa_workers.store_io.media import Media

#: Jobs in flight in one process where nothing else is said.
DEFAULT_CONCURRENCY = 1000


@dataclass(slots=True)
class WorkerProcess:
    """The workers of one process, and what they share."""

    store: AsyncStore
    broker: HomaBroker
    workers: list[HomaWorker]
    providers: list[Provider]

    def drain(self) -> None:
        """Takes nothing more; `serve` ends when what runs is through."""
        for worker in self.workers:
            worker.drain()

    def stop_now(self) -> None:
        for worker in self.workers:
            worker.stop_now()

    async def aclose(self) -> None:
        for provider in self.providers:
            await provider.aclose()
        await self.store.aclose()
        self.broker.close()


async def build(
    settings: Settings,
    address: StoreAddress,
    providers: Sequence[str],
    *,
    concurrency: int | None = None,
    broker: HomaBroker | None = None,
) -> WorkerProcess:
    """The workers that serve some of the configured providers.

    Args:
        settings: of this process; provider keys come from here.
        address: the store.
        providers: names; none means all that are configured.
        concurrency: most calls at once in each worker.
        broker: with the application's own actors.

    Raises:
        ConfigError: a provider is not configured, or none is.
        StoreUnavailable: the store cannot be reached, or cannot keep jobs safely.
    """
    names = _chosen(settings, providers)
    blobs = open_blobs(settings)
    store = AsyncStore(address, settings.namespace, role="worker")
    fleet = await enter(store, settings.fleet())
    broker = broker or HomaBroker(address, settings.namespace)
    made = [create(account_config(name, settings.providers[name])) for name in names]
    workers = [
        _worker(settings, store, broker, fleet, provider, settings.providers[provider.name], concurrency, blobs)
        for provider in made
    ]
    for worker in workers:
        await worker.know_pools()
    return WorkerProcess(store, broker, workers, made)


def _chosen(settings: Settings, providers: Sequence[str]) -> list[str]:
    configured = settings.providers
    unknown = [name for name in providers if name.lower() not in configured]
    if unknown:
        raise ConfigError(
            f"provider {unknown[0]!r} is not configured: expected one of "
            f"{', '.join(sorted(configured)) or 'none yet'}; "
            f"set HOMA_PROVIDERS__{unknown[0].upper()}__KIND and __API_KEY, or [providers.{unknown[0]}] in homa.toml"
        )
    names = [name.lower() for name in providers] or sorted(configured)
    if not names:
        raise ConfigError(
            "no provider is configured: set OPENAI_API_KEY, ANTHROPIC_API_KEY or another provider's variable, "
            "or [providers.<name>] in homa.toml"
        )
    return names


def _worker(
    settings: Settings,
    store: AsyncStore,
    broker: HomaBroker,
    fleet: Fleet,
    provider: Provider,
    given: ProviderSettings,
    concurrency: int | None,
    blobs: Blobs | None,
) -> HomaWorker:
    book = FleetBook(store, fleet)
    worker_id = new_worker_id(provider.name)
    watch = Watch(worker_id)
    return HomaWorker(
        broker,
        worker_id=worker_id,
        watch=watch,
        pipeline=Pipeline(store, provider, book, given.timeout_s, watch, Media(store, blobs, settings.blobs_above)),
        store=store,
        book=book,
        provider=provider.name,
        concurrency=concurrency or given.concurrency or DEFAULT_CONCURRENCY,
        lease_s=settings.lease_s,
    )
