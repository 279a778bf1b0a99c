"""However many models, lanes and kinds of errors a provider has seen, it has few series."""

from __future__ import annotations

import pytest

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Completion, Usage
from homa_shared.metrics.families import Families
from homa_shared.model.records import State
from homa_workers.attempt import RunningAttempt, Spent
from homa_workers.middleware.attempt_metrics import AttemptMetrics
from homa_workers.outcomes.outcomes import Deferred, Ended, Succeeded
from tests.metrics.scraped import Scrape, scrape, scraped
from tests.transitions.cell import Cell

#: Most series that one provider may have, those of a worker and those of the store.
MOST, USUAL = 300, 150
LANES = ("high", "default", "bulk")


def _attempt(cell: Cell, model: str, lane: str) -> RunningAttempt:
    cell.submit(f"{model}-{lane}", target=f"p:{model}", lane=lane)
    attempt = RunningAttempt(cell.claim())
    attempt.latency_ms, attempt.spent = 900, Spent(1, Usage(100, 200, 10), 1234)
    return attempt


def _of_worker(cell: Cell, models: int, errors: list[ErrorKind]) -> Scrape:
    metrics = AttemptMetrics("p")
    for number in range(models):
        for lane in LANES:
            attempt = _attempt(cell, f"m{number}", lane)
            metrics.attempt_ended(attempt, Succeeded(Completion({}, Usage(1, 1))), None)
            for kind in errors:
                metrics.attempt_ended(attempt, Ended(ProviderError(kind, "no"), State.FAILED), None)
                metrics.attempt_ended(attempt, Deferred(ProviderError(kind, "no"), 1), None)
    told = Families()
    metrics.families(told)
    return scraped(told)


@pytest.mark.parametrize(("models", "errors", "most"), [(50, list(ErrorKind), MOST), (3, list(ErrorKind)[:3], USUAL)])
def test_a_provider_has_few_series(cell: Cell, models: int, errors: list[ErrorKind], most: int) -> None:
    for number in range(models):
        cell.plan(f"p:m{number}", rpm=60_000, tpm=10_000_000, conc=1000)
    worker = _of_worker(cell, models, errors)
    for number in range(models):
        cell.submit(*(f"w{number}-{n}" for n in range(2)), target=f"p:m{number}", lane=LANES[number % 3])
    store = scrape(cell.store)
    of_store = [labels for _, labels in store.samples if {("provider", "p"), ("queue", "p")} & set(labels)]
    assert len(of_store) + len(worker.samples) <= most, (len(of_store), len(worker.samples))


def test_what_is_counted_is_what_was_told(cell: Cell) -> None:
    found = _of_worker(cell, 1, [ErrorKind.RATE_LIMITED])
    assert found["homa_attempts_total"] == {"m0,succeeded,p": 3, "m0,failed,p": 3, "m0,deferred,p": 3}
    assert found["homa_tokens_total"]["output,m0,p"] == 9 * 200
    assert found["homa_cost_dollars_total"]["known,m0,p"] == pytest.approx(9 * 1234e-9)
    assert found.value("homa_attempt_seconds_bucket", provider="p", model="m0", le="1") == 9
    assert found.value("homa_attempt_seconds_bucket", provider="p", model="m0", le="0.5") == 0
    assert found.value("homa_attempt_seconds_sum", provider="p", model="m0") == pytest.approx(8.1)
