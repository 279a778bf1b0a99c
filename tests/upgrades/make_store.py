"""Writes down a store as an earlier release leaves it, for tests that a later one reads it.

It is run once for a release, with that release's code, against an empty database of a running Redis or Valkey:

    git worktree add /path/to/release 9f4e3b9
    PYTHONPATH=/path/to/release/shared python tests/upgrades/make_store.py redis://127.0.0.1:6379/9 \\
        > tests/upgrades/store_9f4e3b9.json

`keys` holds every key without its namespace: type, milliseconds that it lives on (-1: for ever) and value. `told` is
what that release itself reads there.
"""

from __future__ import annotations

import sys
from typing import Any

import orjson

from homa_shared.failures import Charge
from homa_shared.plans import plan, plan_row
from homa_shared.request import JobRequest, Option
from homa_shared.settings.fleet import Fleet
from homa_shared.store import reading, steering
from homa_shared.store.books import audit
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress
from homa_shared.store.fleet import write_fleet, write_plans
from homa_shared.store.op import mapping, text
from homa_shared.store.stepping import next_step, step
from homa_shared.store.submitting import Common, Entry, submit
from homa_shared.store.working import Claim, Report, divert, fail, renew, requeue, settle, sweep, take
from homa_shared.targets import Target

MINI, HAIKU = "openai:gpt-5-mini", "anthropic:claude-haiku-4-5"
LEASE_MS = 30_000
HOUR_MS = 3_600_000
BOUND, COST = 10_000_000, 1_234_567
FLEET = {
    "providers": {
        "openai": {
            "kind": "openai",
            "limits": {"rpm": 500, "tpm": 1_000_000, "rpd": 10_000, "burst_s": 60},
            "concurrency": 40,
        },
        "anthropic": {
            "kind": "anthropic",
            "limits": {"rpm": 50, "input_tpm": 50_000, "output_tpm": 10_000, "burst_s": 60},
        },
    },
    "budgets": {
        "all": {"cap_usd": "100", "period": "month"},
        "narrow": {"cap_usd": "0.015", "scope": "tenant", "tenant": "poor", "on_exceed": "defer"},
    },
}


class Maker:
    """A namespace, filled by the release whose code is on the path."""

    def __init__(self, url: str) -> None:
        self.store = Store(StoreAddress.parse(url), "made", role="test")
        self.keys, self.run = self.store.keys, self.store.run
        self._asked = 0

    def settings(self) -> None:
        fleet = Fleet.model_validate(FLEET)
        self.run(write_fleet(self.keys, fleet, seen=0))
        self.run(write_plans(self.keys, [plan_row(plan(fleet, Target.parse(name))) for name in (MINI, HAIKU)]))

    def submit(self, *ids: str, entry: dict[str, Any] | None = None, queue: str = "openai", **common: Any) -> None:
        target = common.pop("target", MINI)
        options = (Option(target, BOUND, (1500, 1000, 500)), Option(HAIKU, BOUND, (1200, 900, 300)))
        request = JobRequest([{"role": "user", "content": "Hello"}], {"max_tokens": 500}, options)
        shared = {"bound": BOUND, "tokens": (1500, 1000, 500)} | (entry or {})
        entries = [Entry(job_id, request.encode(), **shared) for job_id in ids]
        self.run(submit(self.keys, Common(queue, common.pop("lane", "default"), target, **common), entries))

    def take(self, slots: int = 1, worker: str = "one", queues: tuple[str, ...] = ("openai",)) -> list[Claim]:
        self._asked += 1
        nonce = f"{'ab' * 8}-{self._asked}"
        asked = {"nonce": nonce, "slots": slots, "lease_ms": LEASE_MS, "provider": queues[0], "suspects": 0}
        return self.run(take(self.keys, worker=worker, queues=queues, **asked)).claims

    def one(self, job_id: str, **asked: Any) -> Claim:
        (claim,) = self.take(**asked)
        assert claim.id == job_id, (claim.id, job_id)
        return claim

    def settle(self, claim: Claim, **report: Any) -> None:
        told = {"nano": COST, "input": 900, "output": 80, "health": "good", "used": (1, 980, 900, 80)} | report
        reply = orjson.dumps({"body": {"said": claim.id}, "cost_nano": COST, "prior_nano": claim.cost})
        self.run(settle(self.keys, (claim.id, claim.attempt), reply, Report("succeeded", Charge.ACTUAL, **told)))

    def fail(self, claim: Claim) -> None:
        error = orjson.dumps({"error": {"kind": "invalid_request", "message": "no"}})
        report = Report("invalid_request", health="good")
        self.run(fail(self.keys, (claim.id, claim.attempt), "failed", error, report, "no"))

    def requeue(self, claim: Claim, event: str, report: Report, *, delay_ms: int = 0, **fields: Any) -> None:
        name = (claim.id, claim.attempt)
        self.run(requeue(self.keys, name, event, delay_ms=delay_ms, report=report, counts=True, fields=fields))

    def step(self, claim: Claim, number: int) -> None:
        told = Report("step", Charge.ACTUAL, nano=COST, input=900, output=80, health="good")
        state = orjson.dumps({"after": number})
        self.run(step(self.keys, (claim.id, claim.attempt), number, "one", told, state))

    def fill(self) -> None:
        """Jobs in every state, each by the way that leads there."""
        self.settings()
        self.ended()
        self.batch()
        self.equal_jobs()
        self.running()
        self.waiting()

    def ended(self) -> None:
        self.submit("succeeded", tags="team=a\ntier=gold", tenant="acme", entry={"custom_id": "row-1"})
        self.settle(self.one("succeeded"))
        self.submit("failed")
        self.fail(self.one("failed"))
        self.run(steering.retry(self.keys, "failed", "retried"))
        self.submit("cancelled")
        self.run(steering.cancel(self.keys, ["cancelled"]))
        self.submit("expired", entry={"deadline_ms": 1})
        self.settle(self.one("retried"))
        while text(self.run(reading.state(self.keys, "expired"))) != "expired":
            self.sweep()

    def batch(self) -> None:
        self.run(steering.open_batch(self.keys, "batch", {"name": "nightly", "tenant": "acme", "cap": 10**9}))
        lines = [f"batch-{n}" for n in range(5)]
        self.submit(*lines, lane="bulk", tenant="acme", batch="batch", slack_ms=90_000, max_attempts=4)
        self.run(steering.seal_batch(self.keys, "batch", len(lines)))
        good, bad, open_line, going_on = self.take(4)
        self.settle(good)
        self.fail(bad)
        self.run(steering.retry(self.keys, bad.id, "batch-1-again"))
        self.requeue(open_line, "job.deferred", Report("ambiguous", Charge.UNRESOLVED, health="bad"), delay_ms=HOUR_MS)
        assert going_on.id == "batch-3"
        self.run(steering.open_batch(self.keys, "paused", {"name": "paused"}))
        self.submit("paused-0", batch="paused", lane="bulk", queue="anthropic", target=HAIKU)
        self.run(steering.pause_batch(self.keys, "paused", "by hand"))
        assert self.take(queues=("anthropic",)) == []

    def equal_jobs(self) -> None:
        self.submit("leader", "follower-1", "follower-2", lane="high", cache_key="c0ffee")
        self.one("leader")

    def running(self) -> None:
        self.submit("running", lane="high", job_budget=10**8, entry={"deadline_ms": 10 * HOUR_MS})
        self.one("running")
        self.submit("between-steps", lane="high")
        self.step(self.one("between-steps"), 1)
        self.submit("second-call", lane="high")
        claim = self.one("second-call")
        self.step(claim, 1)
        more = Option(MINI, BOUND, (2000, 1500, 500))
        self.run(next_step(self.keys, (claim.id, claim.attempt), 2, more, worker="one"))
        self.submit("rerouted", lane="high", fallbacks=1)
        elsewhere = {"tg": HAIKU, "q": "anthropic", "bn": str(BOUND), "rt": 1200, "ri": 900, "ro": 300, "fb": 0}
        self.requeue(self.one("rerouted"), "job.rerouted", Report("overloaded", health="bad"), **elsewhere)
        facts = {"provider": "openai", "reads": {"record": 1, "request": 2}}
        leases = ["leader:1", "running:1", "between-steps:1", "second-call:1", "batch-3:1"]
        self.run(renew(self.keys, worker="one", lease_ms=LEASE_MS, facts=facts, attempts=leases))

    def waiting(self) -> None:
        self.submit("diverted", lane="bulk", fallbacks=1)
        elsewhere = {"tg": HAIKU, "q": "anthropic", "bn": None, "rt": 1200, "ri": 900, "ro": 300, "fb": 0}
        self.run(divert(self.keys, "diverted", MINI, "frozen", elsewhere))
        self.submit("affordable", "poor", lane="high", tenant="poor")
        assert [claim.id for claim in self.take(2)] == ["affordable", "batch-4"]
        self.submit("due", entry={"due_ms": HOUR_MS})
        self.submit(
            *("queued",),
            lane="bulk",
            tenant="acme",
            tags="team=b",
            on_ambiguous="fail",
            on_content_policy="reroute",
            fallbacks=1,
            entry={"key": "order-7 " + "5f" * 32, "prefix": "1100:ab12", "custom_id": "row-9", "deadline_ms": HOUR_MS},
        )

    def sweep(self) -> None:
        self.run(sweep(self.keys, slice_size=500, lease_ms=LEASE_MS))

    def written(self) -> dict[str, Any]:
        """The store and what it says."""
        assert audit(self.store) == []
        names = sorted(text(name) for name in self.command("KEYS", f"{self.keys.prefix}*"))
        jobs = [name.removeprefix(self.keys.job("")) for name in names if name.startswith(self.keys.job(""))]
        return {
            "made_ms": self.run(reading.server_time(self.keys)),
            "told": {"jobs": {job_id: self.job(job_id) for job_id in jobs}, "costs": self.costs()},
            "keys": {name.removeprefix(self.keys.prefix): self.key(name) for name in names},
        }

    def job(self, job_id: str) -> dict[str, Any]:
        view = self.run(reading.job(self.keys, job_id))
        assert view is not None
        told = view.job
        return {
            "state": told.state,
            "target": told.target,
            "attempt": told.attempt,
            "tenant": told.tenant,
            "tags": told.tags,
            "custom_id": told.custom_id,
            "cost": told.cost_nano_usd,
            "unresolved": told.unresolved_nano_usd,
            "attempts": [(past.number, past.outcome, past.nano_usd) for past in view.attempts],
            "steps": [paid.number for paid in view.steps],
        }

    def costs(self) -> dict[str, tuple[int, int]]:
        rows = self.run(reading.costs(self.keys, by="model")).rows
        return {row.key: (row.nano_usd, row.unresolved_nano_usd) for row in rows}

    def key(self, name: str) -> tuple[str, int, Any]:
        kind = text(self.command("TYPE", name))
        return kind, self.command("PTTL", name), self.value(kind, name)

    def value(self, kind: str, name: str) -> Any:
        match kind:
            case "string":
                return text(self.command("GET", name))
            case "hash":
                return mapping(self.command("HGETALL", name))
            case "set":
                return sorted(text(member) for member in self.command("SMEMBERS", name))
            case "list":
                return [text(item) for item in self.command("LRANGE", name, 0, -1)]
            case "zset":
                return mapping(
                    [part for pair in _pairs(self.command("ZRANGE", name, 0, -1, "WITHSCORES")) for part in pair]
                )
            case "stream":
                return [(text(line[0]), mapping(line[1])) for line in self.command("XRANGE", name, "-", "+")]
            case _:
                raise AssertionError(f"{name} is a {kind}")

    def command(self, *words: Any) -> Any:
        return self.store._client.execute_command(*words)


def _pairs(reply: list[Any]) -> list[tuple[Any, str]]:
    """Members and scores; whole scores as whole numbers."""
    rows = reply if reply and isinstance(reply[0], (list, tuple)) else list(zip(reply[::2], reply[1::2], strict=True))
    return [
        (member, f"{float(score):.0f}" if float(score).is_integer() else repr(float(score))) for member, score in rows
    ]


if __name__ == "__main__":
    maker = Maker(sys.argv[1])
    maker.fill()
    sys.stdout.buffer.write(orjson.dumps(maker.written(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
