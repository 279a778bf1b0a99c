"""A fleet to look at: jobs in any state, made by the client and the store's own operations, without a provider."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from click.testing import CliRunner, Result

from homa import Homa
from homa.cli import main
from homa_shared.calls.failures import Charge
from homa_shared.model.ids import new_nonce
from homa_shared.settings.model import Settings
from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_shared.store.operation import Op
from homa_shared.store.transitions.attempts import Claim, Report, fail, renew, settle, sweep, take
from tests.fixtures.documents import hold_to_schema

MODEL = "openai:gpt-6-luna"
#: Cost of a good reply, and its tokens.
NANO, INPUT, OUTPUT = 1_500, 3, 2
WORKER = "openai-fake"


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.stdout)

    @property
    def lines(self) -> list[Any]:
        return [orjson.loads(line) for line in self.stdout.splitlines()]


@dataclass(slots=True)
class Stand:
    """Client, store and command line of one namespace."""

    settings: Settings
    store: Store
    homa: Homa
    home: Path
    claims: list[Claim] = field(default_factory=list)

    def said(self, *arguments: str) -> Said:
        """Runs `homa …` in this process."""
        result: Result = CliRunner().invoke(main, list(arguments), prog_name="homa")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        hold_to_schema(arguments, result.stdout)
        return Said(result.exit_code, result.stdout, result.stderr)

    @contextmanager
    def process(self, *arguments: str, **env: str) -> Iterator[subprocess.Popen[str]]:
        """Runs `homa …` as a process of its own session, which is gone afterwards."""
        process = subprocess.Popen(
            [sys.executable, "-m", "homa.cli", *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def json(self, *arguments: str) -> Any:
        """The document of a command that must succeed."""
        said = self.said(*arguments, "--json")
        assert said.status == 0, said.stderr
        return said.json

    # jobs, by the state that they are in

    def queued(self, prompt: str = "hello", **options: Any) -> str:
        return self.homa.submit(prompt, **{"model": MODEL, "max_tokens": 100} | options).id

    def due(self) -> str:
        return self.queued(delay_s=3600)

    def running(self, **options: Any) -> str:
        return self.claimed(self.queued(**options)).id

    def succeeded(self, text: str = "hi", **options: Any) -> str:
        job = self.queued(**options)
        self.settle(self.claimed(job), text)
        return job

    def failed(self, *, unresolved: bool = False, **options: Any) -> str:
        job = self.queued(**options)
        self.fail(self.claimed(job), charge=Charge.UNRESOLVED if unresolved else Charge.NONE)
        return job

    def expired(self) -> str:
        job = self.queued()
        self.fail(self.claimed(job), "expired")
        return job

    def cancelled(self) -> str:
        job = self.queued()
        self.homa.cancel(job)
        return job

    # what a worker does

    def take(self, slots: int = 50) -> list[Claim]:
        taken = self.store.run(
            take(
                self.store.keys,
                worker=WORKER,
                nonce=new_nonce(),
                slots=slots,
                lease_ms=30_000,
                provider="openai",
                suspects=0,
                queues=["openai"],
            )
        )
        self.claims += taken.claims
        return taken.claims

    def claimed(self, job: str) -> Claim:
        """The claim of a job; whatever else waits is claimed with it."""
        self.take()
        return next(claim for claim in self.claims if claim.id == job)

    def beat(self, **facts: Any) -> None:
        """A live worker, as far as the store can tell."""
        told = {"provider": "openai", "queues": ["openai"], "concurrency": 10, "running": 1, "ended": 2, "host": "h"}
        names = [claim.name for claim in self.claims]
        self.store.run(
            renew(self.store.keys, worker=WORKER, lease_ms=30_000, facts=told | {"pid": 1} | facts, attempts=names)
        )

    def settle(self, claim: Claim, text: str = "hi") -> None:
        provider, _, model = claim.target.partition(":")
        message = {"role": "assistant", "content": text}
        reply = {
            "body": {"object": "chat.completion", "model": model, "choices": [{"index": 0, "message": message}]},
            "provider": provider,
            "model": model,
            "attempts": claim.tries,
            "cost_nano": NANO,
            "prior_nano": claim.cost,
            "usage": {"input_tokens": INPUT, "output_tokens": OUTPUT},
            "request_id": "r1",
            "custom_id": claim.custom_id or None,
            "latency_ms": 7,
            "queued_ms": 1,
        }
        report = Report("succeeded", Charge.ACTUAL, nano=NANO, input=INPUT, output=OUTPUT, health="good")
        self.store.run(settle(self.store.keys, (claim.id, claim.attempt), orjson.dumps(reply), report))
        self.claims.remove(claim)

    def fail(self, claim: Claim, state: str = "failed", *, charge: Charge = Charge.NONE, nano: int = 0) -> None:
        kind = "ambiguous" if charge is Charge.UNRESOLVED else "invalid_request"
        error = {"error": {"kind": kind, "message": "it broke", "status": 400, "code": "bad"}, "attempts": claim.tries}
        note = orjson.dumps({"error": "it broke", "request_id": "r9"}).decode()
        report = Report(kind, charge, nano=nano, note=note)
        name = (claim.id, claim.attempt)
        told = orjson.dumps(error | {"custom_id": claim.custom_id or None})
        self.store.run(fail(self.store.keys, name, state, told, report, "it broke"))
        self.claims.remove(claim)

    def break_model(self) -> None:
        """A call fails in a way that opens the model's breaker."""
        claim = self.claimed(self.queued())
        report = Report("model_not_found", health="model", cool_ms=60_000)
        self.store.run(fail(self.store.keys, (claim.id, claim.attempt), "failed", b"{}", report, "no such model"))
        self.claims.remove(claim)

    def sweep(self) -> None:
        """Housekeeping, as often as it is asked for."""
        self.redis("HDEL", self.store.keys.beat(), "swept")
        self.store.run(sweep(self.store.keys, slice_size=500, lease_ms=30_000))

    def now_ms(self) -> int:
        return self.store.run(reads.server_time(self.store.keys))

    def redis(self, *command: Any) -> Any:
        return self.store.run(Op((command,), lambda replies: replies[0]))

    def batch(self, good: int = 2, bad: int = 1, live: int = 0) -> str:
        """A batch with lines that succeeded, failed and still wait."""
        prompts = [{"prompt": f"line {i}", "custom_id": f"c{i}"} for i in range(good + bad + live)]
        batch = self.homa.submit_batch(prompts, model=MODEL, max_tokens=100, name="letters", tenant="acme")
        for i, claim in enumerate(sorted(self.take(good + bad), key=lambda claim: claim.custom_id)):
            if i < good:
                self.settle(claim, f"answer {i}")
            else:
                self.fail(claim)
        return batch.id
