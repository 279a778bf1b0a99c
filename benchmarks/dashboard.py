"""How long a page of the dashboard takes with a million jobs in the store."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import quantiles

import orjson

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, Rig, prompts, rig
from homa import Homa
from homa_shared.calls.failures import Charge
from homa_shared.model.ids import new_nonce
from homa_shared.store.transitions.attempts import (
    SETTLED_AT_ONCE,
    Claim,
    Report,
    Settlement,
    fail,
    settle_many,
    settle_one,
    take,
)

MANY, VISITS = 1_000_000, 20
#: Of these jobs: of one batch; of others, of many tenants with tags; those that ended, and every which of them failed.
_OTHERS, _TENANTS, _ENDED, _EACH_FAILED = 200_000, 50, 20_000, 10
PAGES = (
    *("", "/jobs", "/jobs?state=queued", "/jobs?state=succeeded", "/jobs?state=failed", "/jobs?tenant=t7"),
    *("/jobs?tag=team%3Dnone", "/batches", "/failures", "/costs", "/costs?by=tenant", "/limits", "/workers"),
    *("/schedules", "/events", "/audit"),
)


def figures() -> Iterator[Figure]:
    limits = {"HOMA_PROVIDERS__OPENAI__LIMITS__RPM": "100000000"}
    with rig(fsync="everysec", settings=limits) as r, r.homa() as homa:
        batch, job = _fill(r, homa)
        with _gateway(r) as url:
            pages = (*PAGES, f"/batches/{batch}", f"/jobs/{job}", f"/jobs/{batch}-{MANY // 2}")
            taken = {path: _p95_ms(f"{url}/dashboard{path}") for path in pages}
        for path, ms in sorted(taken.items(), key=lambda item: item[1]):
            print(f"{ms:8.1f} ms  {path or '/'}", file=sys.stderr)
        slowest = max(taken, key=lambda path: taken[path])
        visits = f"p95 of {VISITS} visits, the slowest of {len(taken)} pages ({slowest or 'overview'})"
        how = f"{visits}; {MANY} jobs of {_TENANTS} tenants, {_ENDED} ended"
        yield at_most("a page of the dashboard, ms", taken[slowest], 100, 30, how, "{:.0f}")


def _fill(r: Rig, homa: Homa) -> tuple[str, str]:
    """A batch that waits, and a job that failed."""
    for number in range(_TENANTS):
        rows = prompts(_OTHERS // _TENANTS, 200)
        homa.submit_batch(rows, model=MODEL, max_tokens=200, tenant=f"t{number}", tags={"team": f"m{number % 7}"})
    failed = _end_some(r)
    return homa.submit_batch(prompts(MANY - _OTHERS, 200), model=MODEL, max_tokens=200).id, failed


def _end_some(r: Rig) -> str:
    ended, failed = 0, ""
    while ended < _ENDED:
        claims = r.store.run(
            take(
                r.store.keys,
                worker="bench",
                nonce=new_nonce(),
                slots=SETTLED_AT_ONCE,
                lease_ms=600_000,
                provider="openai",
                suspects=0,
                queues=["openai"],
            )
        ).claims
        assert claims, "nothing may run: the store knows no limits for it"
        bad = [claim for number, claim in enumerate(claims) if number % _EACH_FAILED == 0]
        told = [_settlement(claim) for claim in claims if claim not in bad]
        for one, done in zip(told, r.store.run(settle_many(r.store.keys, told)), strict=True):
            if done is None:
                r.store.run(settle_one(r.store.keys, one))
        for claim in bad:
            error = orjson.dumps({"error": {"kind": "invalid_request", "message": f"no {claim.id[-1]}", "status": 400}})
            report = Report("invalid_request", Charge.NONE)
            r.store.run(fail(r.store.keys, (claim.id, claim.attempt), "failed", error, report, "no"))
            failed = claim.id
        ended += len(claims)
    left = r.counters()["live"]
    assert left == _OTHERS - ended, f"{left} jobs live: expected {_OTHERS - ended}"
    return failed


def _settlement(claim: Claim) -> Settlement:
    provider, _, model = claim.target.partition(":")
    message = {"role": "assistant", "content": "An answer of some words."}
    reply = {
        "body": {"object": "chat.completion", "model": model, "choices": [{"index": 0, "message": message}]},
        "provider": provider,
        "model": model,
        "attempts": 1,
        "cost_nano": 1500,
        "prior_nano": 0,
        "usage": {"input_tokens": 40, "output_tokens": 6},
    }
    report = Report("succeeded", Charge.ACTUAL, nano=1500, input=40, output=6, health="good")
    return Settlement((claim.id, claim.attempt), orjson.dumps(reply), report.encode())


@contextmanager
def _gateway(r: Rig) -> Iterator[str]:
    command = [sys.executable, "-m", "homa.cli", "gateway", "--port", "0"]
    process = subprocess.Popen(command, env=r.env, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        url = None
        while url is None:
            line = process.stderr.readline()
            assert line, "the gateway did not start"
            url = re.search(r"gateway at (http://[\d.:]+)", line)
        yield url[1]
    finally:
        process.terminate()
        process.wait()


def _p95_ms(url: str) -> float:
    times = []
    for _ in range(VISITS + 1):
        began = time.perf_counter()
        with urllib.request.urlopen(url) as answer:
            answer.read()
        times.append((time.perf_counter() - began) * 1000)
    # The first one compiles the page's template.
    return quantiles(times[1:], n=20)[-1]
