"""The demo's course: workers start, a batch goes in, one worker is killed, results come out, the books are compared."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from homa import Homa
from homa.client.batch_progress import Progress
from homa.client.handles import Batch
from homa.demo.documents import Document, documents
from homa.demo.environment import FALLBACK, MODEL, RPM, DemoEnvironment, DemoFailed
from homa.demo.findings import Balance, Findings, quota_use
from homa.drivers.context import Context
from homa.supervision.crash_report import CrashReport
from homa.supervision.processes import Process, tail
from homa.supervision.supervisor import WorkerSupervisor
from homa_shared.store import reads
from homa_shared.store.audit import audit
from homa_shared.store.client import Store

WORKERS = 2
#: The worker is killed when this share of the documents is through.
_KILL_AT = 1 / 3
_LOOK_S = 0.2
#: Start of workers, the slowest document of all, s.
_PATIENCE_S, _PATIENCE_PER_DOCUMENT_S = 90.0, 0.2
_PROMPT = "Summarise this section of the Python documentation in one sentence.\n\n"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A look at the demo while it runs."""

    progress: Progress
    total: int
    rerouted: int
    recovered: int
    #: Calls in flight.
    running: int


@dataclass(frozen=True, slots=True)
class Reporter:
    """How the person is told what happens."""

    say: Callable[[str], None]
    show: Callable[[Snapshot], None]


def run_demo(environment: DemoEnvironment, count: int, seed: int, reporter: Reporter) -> Findings:
    """The whole demo.

    Raises:
        DemoFailed: it does not come to its end in time, or a worker dies that nobody killed.
        WorkerLost: the workers do not accept their settings.
    """
    started_s = time.monotonic()
    with Homa(settings=environment.settings, local=True) as homa:
        texts = documents(count, seed)
        batch = homa.submit_batch(
            map(_request, texts), model=MODEL, fallbacks=[FALLBACK], max_tokens=200, name="demo", tags={"demo": "yes"}
        )
        reporter.say(f"{count} documents are queued for {MODEL}, fallback {FALLBACK}")
        with closing(Context(lambda: environment.settings, role="demo").connect()) as store:
            killer = _Killer(store, reporter)
            workers = environment.workers(WORKERS, killer.told_of_crash)
            with workers.at_work():
                pids = ", ".join(f"pid {worker.pid}" for worker in workers.running)
                reporter.say(f"{WORKERS} worker processes start: {pids}")
                _watch(store, batch, workers, killer, count, reporter)
                reporter.say("all documents have ended; comparing ledger and bills")
                return _findings(environment, store, batch, count, time.monotonic() - started_s)


def _request(document: Document) -> dict[str, Any]:
    return {"custom_id": document.name, "prompt": _PROMPT + document.text}


def _watch(
    store: Store, batch: Batch[None], workers: WorkerSupervisor, killer: _Killer, count: int, reporter: Reporter
) -> None:
    """Looks on until the batch is complete; has one worker killed on the way."""
    give_up_s = time.monotonic() + _PATIENCE_S + count * _PATIENCE_PER_DOCUMENT_S
    events = _EventCounts(store)
    while True:
        progress = batch.progress()
        reporter.show(_snapshot(store, progress, count, events.update()))
        if progress.complete:
            return
        if killer.victim is None and progress.ended >= count * _KILL_AT:
            killer.kill_busiest(workers.running)
        workers.check()
        if time.monotonic() > give_up_s:
            raise DemoFailed(
                f"{progress.ended} of {count} documents have ended, and time is up; a worker's log ends with:\n"
                + tail(workers.logs[-1])
            )
        time.sleep(_LOOK_S)


class _Killer:
    """Kills one worker in mid-call; its supervisor starts it again."""

    def __init__(self, store: Store, reporter: Reporter) -> None:
        self._store, self._reporter = store, reporter
        self.victim: Process | None = None

    def kill_busiest(self, running: Sequence[Process]) -> None:
        """Kills the worker process with the most calls in flight."""
        pids = {row.id: row.facts.get("pid") for row in self._store.run(reads.workers(self._store.keys))}
        page = self._store.run(reads.jobs(self._store.keys, state="running", limit=500))
        busy = Counter(pids.get(job.worker or "") for job in page.jobs)
        self.victim = max(running, key=lambda process: busy[process.pid])
        self.victim.kill()
        self.victim.wait()
        self._reporter.say(f"worker pid {self.victim.pid} is killed in mid-call (SIGKILL)")

    def told_of_crash(self, report: CrashReport, pause_s: float) -> None:
        """Raises DemoFailed for a worker that nobody killed."""
        if self.victim is None or report.pid != self.victim.pid:
            raise DemoFailed(str(report))
        self._reporter.say(f"{report.name} is started again")


def _snapshot(store: Store, progress: Progress, count: int, events: Counter[str]) -> Snapshot:
    running = sum(row.running for row in store.run(reads.queues(store.keys)))
    return Snapshot(progress, count, events["job.rerouted"], events["job.recovered"], running)


class _EventCounts:
    """Counts events by name, from where it stopped reading."""

    def __init__(self, store: Store) -> None:
        self._store, self._after, self._counts = store, "-", Counter[str]()

    def update(self) -> Counter[str]:
        while page := self._store.run(reads.events(self._store.keys, self._after, 1000)):
            self._counts.update(event.name for event in page)
            self._after = page[-1].id
        return self._counts


def _findings(environment: DemoEnvironment, store: Store, batch: Batch[None], count: int, seconds: float) -> Findings:
    results = Counter(line.custom_id for line in batch.results())
    progress, events = batch.progress(), _EventCounts(store).update()
    stats, bill = _settled_stats(environment), environment.simulator.get("/bill")
    return Findings(
        documents=count,
        succeeded=progress.succeeded,
        failed=progress.ended - progress.succeeded,
        results=results,
        faults=stats["faults"],
        retried=events["job.deferred"],
        rerouted=events["job.rerouted"],
        recovered=events["job.recovered"],
        rate_limited=stats["rate_limited"],
        calls=stats["received"],
        unresolved_attempts=len(store.run(reads.unresolved(store.keys, 100_000))),
        balances=list(_balances(store, bill)),
        quotas=[
            quota_use(scope, RPM[scope.partition("/")[0]], per_second)
            for scope, per_second in sorted(stats["per_second"].items())
        ],
        book_errors=[str(finding) for finding in audit(store)],
        seconds=seconds,
    )


def _settled_stats(environment: DemoEnvironment) -> dict[str, Any]:
    """The simulator's counts once it has noticed that nobody waits any more: what a killed worker left counts too."""
    give_up_s = time.monotonic() + 10
    while (stats := environment.simulator.get("/stats"))["in_flight"] and time.monotonic() < give_up_s:
        time.sleep(_LOOK_S)
    return stats


def _balances(store: Store, bill: dict[str, Any]) -> Iterator[Balance]:
    rows = {row.key: row for row in store.run(reads.costs(store.keys, "provider")).rows}
    for name in sorted(rows.keys() | bill["accounts"].keys()):
        row = rows.get(name, reads.CostRow(name))
        charged = bill["accounts"].get(name, {}).get("nano_usd", 0)
        yield Balance(name, row.requests, row.nano_usd, row.unresolved_nano_usd, charged)
