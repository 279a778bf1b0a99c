"""Puts a worker process together from settings: store, fleet, an adapter and a worker for each provider it serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import structlog

from homa_shared.broker import HomaBroker
from homa_shared.calls.plugged_tools import load_tools
from homa_shared.model.constants import BATCH_RUNS, DELIVERIES
from homa_shared.model.errors import ConfigError
from homa_shared.model.ids import new_worker_id
from homa_shared.settings.changes import drift
from homa_shared.settings.encryption import keyring_of
from homa_shared.settings.fleet import Fleet
from homa_shared.settings.model import Settings
from homa_shared.settings.names import one_of
from homa_shared.settings.sections import ProviderSettings
from homa_shared.store.blobs import Blobs, open_blobs
from homa_shared.store.client import AsyncStore
from homa_shared.store.connection import StoreAddress
from homa_shared.store.gateway_work import place_of
from homa_shared.store.join import enter
from homa_shared.store.reads import is_fake
from homa_workers.deliveries.courier import Courier, Ways
from homa_workers.fills.filler import Filler
from homa_workers.fills.stand_in import LOOK_S, StandIn
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.fleet.vector_cache import VectorCache
from homa_workers.middleware.around import for_provider
from homa_workers.middleware.base import Chore, Middleware, WorkerIdentity
from homa_workers.middleware.builtin import in_order
from homa_workers.middleware.call_log import CallLog
from homa_workers.middleware.chain import MiddlewareChain
from homa_workers.middleware.entry_points import Given, installed, split
from homa_workers.observe import sentry
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.pipeline.pipeline import Pipeline
from homa_workers.process.accounts import account, secrets_of
from homa_workers.process.own_queues import OwnQueues
from homa_workers.process.waiting import Waiting
from homa_workers.process.worker import DEFAULT_THREADS, HomaWorker
from homa_workers.providers.base import Provider, account_params
from homa_workers.providers.secrets import Secrets
from homa_workers.store_io.media import Media


@dataclass(slots=True)
class WorkerProcess:
    """The workers of one process, and what they share."""

    store: AsyncStore
    broker: HomaBroker
    workers: list[HomaWorker]
    providers: list[Provider]
    #: The settings that were in force when it was built.
    fleet: Fleet
    #: Of the workers, in their order.
    middleware: list[MiddlewareChain] = field(default_factory=list)

    def drain(self) -> None:
        """Takes nothing more; `serve` ends when what runs is through."""
        for worker in self.workers:
            worker.drain()

    def stop_now(self) -> None:
        for worker in self.workers:
            worker.stop_now()

    async def aclose(self) -> None:
        for chain in self.middleware:
            await chain.stop()
        for provider in self.providers:
            await provider.aclose()
        await self.store.aclose()
        self.broker.close()


@dataclass(frozen=True, slots=True)
class Parts:
    """What workers are put together from. Tests put others in the place of those that reach a provider or sleep."""

    #: Makes the adapter of an account.
    account: Callable[[str, ProviderSettings, Secrets], Provider] = account
    #: Makes what a worker sleeps by.
    waiting: Callable[[], Waiting] = Waiting
    #: Whether they are a fake fleet's own.
    fake: bool = False


async def build(
    settings: Settings,
    address: StoreAddress,
    providers: Sequence[str],
    *,
    concurrency: int | None = None,
    threads: int = DEFAULT_THREADS,
    broker: HomaBroker | None = None,
    middleware: Sequence[Given] = (),
    ticker: bool = False,
    parts: Parts = Parts(),
) -> WorkerProcess:
    """The workers that serve some of the configured providers.

    Args:
        settings: of this process; provider keys come from here.
        address: the store.
        providers: names; none means all that are configured.
        concurrency: most calls at once in each worker.
        threads: sync actors at once.
        broker: with the application's own actors, which get a worker of their own.
        middleware: functions around calls, and what makes each worker's instances; installed packages' come before.
        ticker: one worker that takes no jobs: it does the fleet's housekeeping, its deliveries, and fills its batches.
        parts: where they are not the usual.

    Raises:
        ConfigError: a provider is not configured; there is neither a provider nor an actor; a middleware cannot be
            loaded or started.
        StoreUnavailable: the store cannot be reached, or cannot keep jobs safely.
    """
    address = replace(address, keyring=keyring_of(settings) or address.keyring)
    has_actors = broker is not None and bool(broker.get_declared_queues())
    if ticker and (providers or has_actors):
        raise ConfigError("--ticker takes no jobs: expected neither providers nor --actors beside it")
    names = [] if ticker else _chosen(settings, providers, has_actors=has_actors)
    given = [*installed(settings.plugins, _skipped_plugin), *middleware]
    load_tools(settings.plugins, _skipped_plugin)
    blobs = open_blobs(settings)
    secrets = secrets_of(settings, address)
    made = [parts.account(name, settings.providers[name], secrets) for name in names]
    store = AsyncStore(address, settings.namespace, role="worker")
    fleet = await _fleet_in_force(store, settings, fake=parts.fake)
    broker = broker or HomaBroker(address, settings.namespace)
    shared = _Shared(settings, store, broker, fleet, concurrency, blobs, given, secrets, parts)
    process = WorkerProcess(store, broker, [], made, fleet)
    try:
        for provider in made:
            # One worker of a process tells middleware of its beginning: that of the actors, where there is one.
            worker, chain = _worker(shared, provider, boots=provider is made[0] and not has_actors)
            await worker.know_pools()
            await chain.start(WorkerIdentity(worker.id, provider.name))
            process.workers.append(worker)
            process.middleware.append(chain)
        if has_actors:
            process.workers.append(_actors_worker(shared, threads))
        if ticker:
            process.workers.append(_ticker(shared))
    except BaseException:
        await process.aclose()
        raise
    return process


def _skipped_plugin(what: str) -> None:
    structlog.get_logger("homa.worker").warning("plugin skipped", what=what)


async def _fleet_in_force(store: AsyncStore, settings: Settings, *, fake: bool) -> Fleet:
    """The fleet's settings, which the first worker writes. Where they cannot be had the store is closed."""
    try:
        if not fake and await store.run(is_fake(store.keys)):
            raise ConfigError(
                f"namespace {settings.namespace} is that of a fake fleet (homa.testing), whose own workers answer what "
                "the test wrote down: a worker that calls providers starts outside of the test"
            )
        fleet = await enter(store, settings.fleet())
    except BaseException:
        await store.aclose()
        raise
    if (said := drift(fleet, settings.fleet())) is not None:
        structlog.get_logger("homa.worker").warning("settings not in force", what=said)
    return fleet


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the workers of a process have in common."""

    settings: Settings
    store: AsyncStore
    broker: HomaBroker
    fleet: Fleet
    concurrency: int | None
    blobs: Blobs | None
    #: Functions around calls, and what makes each worker's instances.
    middleware: Sequence[Given]
    secrets: Secrets
    parts: Parts

    def own_queues(self, log: WorkerLog) -> OwnQueues:
        """A fake fleet's has none: what it does reaches nobody."""
        if self.parts.fake:
            return {}
        courier = Courier(self.store, self.blobs, Ways.of(self.settings), log)
        return {DELIVERIES: courier, BATCH_RUNS: Filler(self.store, log)}

    def chores(self) -> list[Chore]:
        """What one worker of the process does for the fleet now and then; nothing for a fake one."""
        if self.parts.fake:
            return []
        return [Chore(LOOK_S, StandIn(self.store, place_of(self.settings, self.blobs)).look)]


def _chosen(settings: Settings, providers: Sequence[str], *, has_actors: bool) -> list[str]:
    configured = settings.providers
    unknown = [name for name in providers if name.lower() not in configured]
    if unknown:
        raise ConfigError(
            f"provider {unknown[0]!r} is not configured: {one_of(sorted(configured))}; "
            f"set HOMA_PROVIDERS__{unknown[0].upper()}__KIND and __API_KEY, or [providers.{unknown[0]}] in homa.toml"
        )
    names = [name.lower() for name in providers] or sorted(configured)
    if not names and not has_actors:
        raise ConfigError(
            "no provider is configured: set OPENAI_API_KEY, ANTHROPIC_API_KEY or another provider's variable, "
            "or [providers.<name>] in homa.toml"
        )
    return names


def _worker(shared: _Shared, provider: Provider, *, boots: bool) -> tuple[HomaWorker, MiddlewareChain]:
    settings, store, given = shared.settings, shared.store, shared.settings.providers[provider.name]
    book = FleetBook(store, shared.fleet, provider.name, account_params(provider))
    log = WorkerLog(new_worker_id(provider.name), debug=settings.debug)
    media = Media(store, shared.blobs, settings.blobs_above)
    vectors = VectorCache(store)
    others, around = split(shared.middleware, settings.plugins, _skipped_plugin)
    watching = [
        *_call_logs(settings, log, shared.secrets),
        *_metrics(settings, provider.name),
        *_spans(settings, given),
    ]
    all_hooks = in_order(log, store, book, media, vectors, others, watching)
    chain = MiddlewareChain(all_hooks, log, for_provider(around, provider.name))
    gather_s = settings.settle_gather_ms / 1000
    pipeline = Pipeline(
        store, provider, book, given.timeout_s, log, chain, media, vectors, secrets=shared.secrets, gather_s=gather_s
    )
    worker = HomaWorker(
        shared.broker,
        worker_id=log.worker,
        log=log,
        pipeline=pipeline,
        store=store,
        book=book,
        provider=provider.name,
        concurrency=shared.concurrency or given.concurrency,
        lease_s=settings.lease_s,
        boots=boots,
        waiting=shared.parts.waiting(),
        own=shared.own_queues(log) if boots else {},
        chores=shared.chores() if boots else (),
    )
    return worker, chain


def _metrics(settings: Settings, provider: str) -> list[Middleware]:
    """What counts attempts; Prometheus' client is not loaded where nobody scrapes."""
    if settings.metrics_port is None:
        return []
    from homa_workers.middleware.attempt_metrics import AttemptMetrics

    return [AttemptMetrics(provider)]


def _spans(settings: Settings, account: ProviderSettings) -> list[Middleware]:
    """What makes spans of traced jobs; OpenTelemetry is not loaded where none is."""
    if not settings.traces:
        return []
    from homa_shared.traces import Traces
    from homa_workers.middleware.spans import Spans

    return [Spans(Traces(settings.traces, "homa-worker"), account.kind)]


def _call_logs(settings: Settings, log: WorkerLog, secrets: Secrets) -> list[Middleware]:
    """What logs calls, with or without requests and replies; there is none where nobody asks for it."""
    calls: list[Middleware] = [CallLog(log)] if settings.debug or settings.log_level == "debug" else []
    if not settings.log_bodies:
        return calls
    from homa_workers.middleware.body_log import BodyLog
    from homa_workers.observe.redaction import Redaction

    return [*calls, BodyLog(log, settings.log_bodies, Redaction(secrets, settings.log_redact))]


def _ticker(shared: _Shared) -> HomaWorker:
    log = WorkerLog(new_worker_id("ticker"), [sentry.unexpected])
    return HomaWorker(
        shared.broker,
        log=log,
        own=shared.own_queues(log),
        chores=shared.chores(),
        store=shared.store,
        lease_s=shared.settings.lease_s,
        takes=False,
        waiting=shared.parts.waiting(),
    )


def _actors_worker(shared: _Shared, threads: int) -> HomaWorker:
    log = WorkerLog(new_worker_id("actors"), [sentry.unexpected])
    return HomaWorker(
        shared.broker,
        log=log,
        own=shared.own_queues(log),
        chores=shared.chores(),
        store=shared.store,
        concurrency=shared.concurrency,
        lease_s=shared.settings.lease_s,
        worker_threads=threads,
    )
