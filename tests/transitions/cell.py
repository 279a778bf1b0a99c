"""A namespace of the real store, and the few verbs by which tests drive it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from homa_shared.calls.failures import Charge
from homa_shared.model.ids import new_nonce
from homa_shared.model.records import Job, State
from homa_shared.model.tokens import NOTHING_USED, Tokens
from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress
from homa_shared.store.operation import pairs
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import (
    Claim,
    Report,
    ReportResult,
    Settlement,
    Taken,
    fail,
    requeue,
    settle,
    settle_many,
    settle_one,
    sweep,
    take,
)
from homa_shared.store.transitions.next_target import NextTarget
from homa_shared.store.transitions.submit import Accepted, Common, Entry, submit

LEASE_MS = 30_000
MODEL = "p:m"
OTHER = "p:other"
#: A good reply's cost, nano-dollars.
COST = 70
#: Bound of a job's call, nano-dollars.
BOUND = 100


class Cell:
    """A namespace, driven by one worker of provider `p` unless a test says otherwise."""

    def __init__(self, address: StoreAddress, namespace: str) -> None:
        self.store = Store(address, namespace, role="test")
        self.keys = self.store.keys
        self.run = self.store.run
        #: Whether the test itself has made the books wrong; else they are audited when it is over.
        self.cooked = False

    # what an application does

    def submit(self, *ids: str, lane: str = "default", target: str = MODEL, tenant: str = "", **more: Any) -> Accepted:
        """Jobs of one group; `more` is shared out to Common and Entry by name."""
        of_entry = {name: more.pop(name) for name in list(more) if name in Entry.__dataclass_fields__}
        of_entry = {"request": b"{}", "bound": BOUND} | of_entry
        if "tokens" in of_entry:
            of_entry["tokens"] = Tokens(*of_entry["tokens"])
        common = Common(more.pop("queue", "p"), lane, target, tenant, **more)
        return self.run(submit(self.keys, common, [Entry(job_id, **of_entry) for job_id in ids]))

    # what a worker does

    def take(
        self,
        slots: int = 10,
        *,
        worker: str = "w",
        nonce: str | None = None,
        provider: str = "p",
        suspects: int = 0,
        queues: Sequence[str] = ("p",),
        settings: int = 0,
    ) -> Taken:
        return self.run(
            take(
                self.keys,
                worker=worker,
                nonce=nonce or new_nonce(),
                slots=slots,
                lease_ms=LEASE_MS,
                provider=provider,
                suspects=suspects,
                queues=queues,
                settings=settings,
            )
        )

    def taken(self, slots: int = 10, **more: Any) -> list[str]:
        return [claim.id for claim in self.take(slots, **more).claims]

    def claim(self, **more: Any) -> Claim:
        claims = self.take(1, **more).claims
        assert claims, "nothing to take"
        return claims[0]

    def settle(self, claim: Claim, reply: dict[str, Any] | None = None, **report: Any) -> ReportResult:
        told = {"charge": Charge.ACTUAL, "nano": COST, "input": 5, "output": 3, "health": "good"} | report
        body = reply or {"body": {"said": claim.id}, "cost_nano": told["nano"]}
        return self.run(settle(self.keys, (claim.id, claim.attempt), orjson.dumps(body), Report("succeeded", **told)))

    def settle_together(self, *claims: Claim, worker: str = "w") -> list[ReportResult]:
        """Good replies in one call; those that want to be told by themselves, behind it."""
        report = Report("succeeded", Charge.ACTUAL, nano=COST, input=5, output=3, health="good", worker=worker)
        told = [
            Settlement(
                (claim.id, claim.attempt),
                orjson.dumps({"body": {"said": claim.id}, "cost_nano": COST}),
                replace(report, target=claim.target).encode(),
            )
            for claim in claims
        ]
        answers = self.run(settle_many(self.keys, told))
        return [found or self.run(settle_one(self.keys, one)) for found, one in zip(answers, told, strict=True)]

    def fail(
        self, claim: Claim, state: str = "failed", outcome: str = "invalid_request", **report: Any
    ) -> ReportResult:
        error = orjson.dumps({"error": {"kind": outcome, "message": "no"}})
        return self.run(fail(self.keys, (claim.id, claim.attempt), state, error, Report(outcome, **report), "no"))

    def requeue(
        self,
        claim: Claim,
        event: str = "job.deferred",
        *,
        outcome: str = "overloaded",
        delay_ms: int = 0,
        counts: bool = True,
        to: NextTarget | None = None,
        **report: Any,
    ) -> ReportResult:
        told = Report(outcome, **report)
        name = (claim.id, claim.attempt)
        return self.run(requeue(self.keys, name, event, delay_ms=delay_ms, report=told, counts=counts, to=to))

    def release(self, claim: Claim) -> ReportResult:
        return self.requeue(claim, "job.released", outcome="released", counts=False, used=NOTHING_USED)

    def sweep(self, slice_size: int = 500) -> None:
        """Housekeeping, now and until it has nothing to do at once."""
        while True:
            self.redis("HDEL", self.keys.beat(), "swept")
            if not self.run(sweep(self.keys, slice_size=slice_size, lease_ms=LEASE_MS)):
                return

    # what a test does to time, and what it looks at

    def redis(self, *command: Any) -> Any:
        return self.store._client.execute_command(*command)

    def now(self) -> int:
        return self.run(reads.server_time(self.keys))

    def lose(self, claim: Claim) -> None:
        """The worker's lease has run out, and housekeeping comes by."""
        self.redis("ZADD", self.keys.leases(), 1, claim.name)
        self.sweep()

    def plan(
        self,
        target: str = MODEL,
        *,
        account: str = "p",
        quota: str | None = None,
        conc: int | None = None,
        **limits: Any,
    ) -> str:
        """Writes a target's plan; returns its quota scope."""
        scope = quota or target.replace(":", "/")
        row = {"name": target, "account": account, "quota": scope, "real": target}
        row |= {"account_limits": {"conc": conc}, "quota_limits": limits}
        self.run(admin.write_plans(self.keys, [row]))
        return scope

    def config(self, **fields: Any) -> None:
        for name, value in fields.items():
            encoded = value if isinstance(value, (str, int)) else orjson.dumps(value)
            self.redis("HSET", self.keys.config(), name, encoded)

    def budget(self, cap: int, *, name: str = "b", **rule: Any) -> None:
        """One budget, in the place of all others."""
        row = {"name": name, "cap": str(cap), "period": "total", "scope": "all", "on_exceed": "reject"} | rule
        self.config(budgets=[row])

    def job(self, job_id: str) -> Job:
        view = self.run(reads.job(self.keys, job_id))
        assert view is not None, job_id
        return view.job

    def view(self, job_id: str) -> reads.JobView:
        view = self.run(reads.job(self.keys, job_id))
        assert view is not None, job_id
        return view

    def state(self, job_id: str) -> State | None:
        return self.run(reads.state(self.keys, job_id))

    def error(self, job_id: str) -> dict[str, Any]:
        reply = self.run(reads.reply(self.keys, job_id))
        assert reply is not None
        error: dict[str, Any] = orjson.loads(reply)["error"]
        return error

    def counters(self) -> dict[str, int]:
        return self.numbers(self.keys.counters())

    def numbers(self, key: str) -> dict[str, int]:
        flat = self.redis("HGETALL", key)
        items = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
        return {name.decode(): int(float(value)) for name, value in items if _numeric(value)}

    def scores(self, key: str) -> dict[str, float]:
        return dict(pairs(self.redis("ZRANGE", key, 0, -1, "WITHSCORES")))

    def events(self) -> list[str]:
        return [event.name for event in self.run(reads.events(self.keys, count=10_000))]

    def orders(self, worker: str = "w") -> list[str]:
        return [order.decode() for order in self.redis("LRANGE", self.keys.control(worker), 0, -1)]


def budget(cell: Cell) -> tuple[int, int, int]:
    """Nano-dollars of the budget `b`: spent, unresolved, reserved."""
    found = cell.numbers(cell.keys.budget("b"))
    return found.get("spent", 0), found.get("unres", 0), found.get("reserved", 0)


def _numeric(value: bytes) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
