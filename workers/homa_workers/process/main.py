"""`homa worker`: one worker process.

SIGTERM and SIGINT drain: nothing more is taken, calls in flight finish. A second one stops at once: calls are cut and
their jobs handed back, which takes a store. A third one leaves as if killed. SIGHUP, which a closed terminal sends more
than once, drains and never cuts; under nohup it is ignored. The first line on stderr names store and settings file, the
next the workers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from homa_shared.broker import HomaBroker
from homa_shared.model.errors import HomaError, StoreUnavailable
from homa_shared.settings.model import Settings, load_settings
from homa_shared.store.connection import StoreAddress
from homa_shared.store.join import address_of
from homa_shared.store.reads import batch
from homa_shared.store.versions import release
from homa_workers.handlers.group import HandlerLoops
from homa_workers.handlers.modules import import_handlers, not_written
from homa_workers.middleware.entry_points import declared
from homa_workers.observe import logs, sentry
from homa_workers.process.actor_modules import declared_actors, import_actors
from homa_workers.process.arguments import USAGE, parser
from homa_workers.process.build import WorkerProcess, build
from homa_workers.process.forks import Forks
from homa_workers.process.garbage import collect_rarely
from homa_workers.process.if_configured import configured, wait_for_signal
from homa_workers.process.start_warnings import start_warnings

STORE = 3
#: How often a worker that lives for one batch looks whether the batch is complete, s.
_LOOK_S = 0.5
#: How long a worker waits for an embedded store that somebody else starts, and how often it looks, s.
_STORE_STARTS_S, _STORE_LOOK_S = 30.0, 0.02


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a worker until it is told to stop; returns the exit status."""
    options = parser().parse_args(argv)
    form = logs.form_of_environment()
    try:
        settings = load_settings(overrides={"metrics_port": options.metrics_port})
        form = settings.log_format
        for warning in settings.warnings:
            logs.say(f"warning: {warning}", "warning", form)
        logs.start("debug" if settings.debug else settings.log_level, form)
        logs.take_all_of_stderr(form)
        return asyncio.run(_serve(settings, options))
    except StoreUnavailable as error:
        logs.say(str(error), "error", form)
        return STORE
    except HomaError as error:
        logs.say(str(error), "error", form)
        return USAGE


async def _serve(settings: Settings, options: argparse.Namespace) -> int:
    say = partial(logs.say, form=settings.log_format)
    if options.if_configured:
        wanted, options.providers = options.providers, configured(settings, options.providers)
        if not options.providers and not options.actors and not options.ticker:
            await wait_for_signal(wanted, say)
            return 0
    address = await _address(settings, options)
    if address is None:
        return 0
    say(f"store {address}, settings {settings.config_file or 'from the environment'}")
    broker = _broker(settings, address, options.actors, say)
    handlers = import_handlers(options.handlers)
    process = await build(
        *(settings, address, options.providers),
        concurrency=options.concurrency,
        threads=options.threads,
        broker=broker,
        middleware=declared(options.middleware),
        ticker=options.ticker,
    )
    if settings.sentry_dsn is not None:
        sentry.start(settings.sentry_dsn.get_secret_value(), worker=process.workers[0].id, release=release())
    for warning in start_warnings(settings, [provider.name for provider in process.providers]):
        say(f"warning: {warning}", "warning")
    for worker in process.workers:
        say(f"worker {worker.id} serves {', '.join(worker.queues_served()) or 'schedules and housekeeping'}")
    for warning in not_written(handlers, process.fleet.events.off):
        say(f"warning: {warning}", "warning")
    loops = HandlerLoops(process.store, handlers, process.workers[0].id, lease_s=settings.lease_s)
    stopped_by = _on_signals(process, loops, say)
    watchers = [asyncio.create_task(work) for work in _conditions(process, options)]
    loops.start()
    metrics = _metrics(process, settings, say)
    collect_rarely()
    forks = Forks(broker.middleware)
    try:
        await forks.start()
        async with metrics, asyncio.TaskGroup() as group:
            for worker in process.workers:
                group.create_task(worker.serve())
        await loops.finish()
    finally:
        await loops.aclose()
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        await forks.stop()
        await process.aclose()
        sentry.flush()
    return 128 + stopped_by[0] if len(stopped_by) > 1 else 0


def _metrics(
    process: WorkerProcess, settings: Settings, say: Callable[[str, logs.Level], None]
) -> contextlib.AbstractAsyncContextManager[None]:
    """Metrics and probes, where they are wanted; Prometheus' client is not loaded where they are not."""
    if settings.metrics_port is None:
        return contextlib.nullcontext()
    from homa_workers.process.metrics_endpoint import serving

    return serving(process, settings.metrics_host, settings.metrics_port, say)


async def _address(settings: Settings, options: argparse.Namespace) -> StoreAddress | None:
    """Where the store is, once it runs; None where whoever would start it has left.

    Raises:
        StoreUnavailable: it does not run, within the time that it may be awaited.
    """
    give_up_s = time.monotonic() + (_STORE_STARTS_S if options.await_store else 0.0)
    while True:
        try:
            return address_of(settings)
        except StoreUnavailable:
            if _is_loading(settings):
                give_up_s = time.monotonic() + _STORE_STARTS_S
            elif time.monotonic() >= give_up_s:
                raise
        # Nothing is ever written to it: what can be read is its end.
        if options.until_stdin_closes and select.select([sys.stdin], [], [], 0)[0]:
            return None
        await asyncio.sleep(_STORE_LOOK_S)


def _is_loading(settings: Settings) -> bool:
    """Whether the embedded store reads its data, which may take long."""
    if settings.redis_url is not None:
        return False
    from homa_shared.store.embedded import EmbeddedStore

    return EmbeddedStore(settings.home).is_loading


def _broker(
    settings: Settings, address: StoreAddress, modules: Sequence[str], say: Callable[[str, logs.Level], None]
) -> HomaBroker:
    broker = import_actors(modules, HomaBroker(address, settings.namespace))
    if modules and not declared_actors(broker):
        text = f"warning: --actors {' '.join(modules)}: no actor is declared on Dramatiq's broker, none will run"
        say(text, "warning")
    broker.emit_after("process_boot")
    return broker


def _on_signals(process: WorkerProcess, loops: HandlerLoops, say: Callable[[str], None]) -> list[int]:
    """First signal: drain. Second: stop now. Returns the list in which received signals gather."""
    received: list[int] = []

    def receive(number: int) -> None:
        if number == signal.SIGHUP:
            say("draining: calls in flight finish")
            process.drain()
            return
        received.append(number)
        match len(received):
            case 1:
                say("draining: calls in flight finish; once more to stop at once")
                process.drain()
            case 2:
                say("stopping: calls are cut, their jobs handed back; once more to leave them to their leases")
                process.stop_now()
                loops.stop_now()
            case _:
                os._exit(128 + number)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, receive, number)
    return received


def _conditions(process: WorkerProcess, options: argparse.Namespace) -> list[Coroutine[Any, Any, None]]:
    conditions: list[Coroutine[Any, Any, None]] = []
    if options.for_batch:
        conditions.append(_until_complete(process, options.for_batch))
    if options.until_stdin_closes:
        conditions.append(_until_orphaned(process))
    return conditions


async def _until_complete(process: WorkerProcess, batch_id: str) -> None:
    while True:
        with contextlib.suppress(StoreUnavailable):
            view = await process.store.run(batch(process.store.keys, batch_id))
            if view is None or view.state == "complete":
                process.drain()
                return
        await asyncio.sleep(_LOOK_S)


async def _until_orphaned(process: WorkerProcess) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    process.drain()


if __name__ == "__main__":
    sys.exit(main())
