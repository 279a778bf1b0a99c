"""A client, and a worker whose answers the test chooses: the store's own operations, without a provider."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from homa import Homa
from homa_shared.calls.failures import Charge
from homa_shared.calls.request import JobRequest
from homa_shared.model.ids import new_nonce
from homa_shared.settings.model import Settings, load_settings
from homa_shared.store.address import StoreAddress
from homa_shared.store.client import Store
from homa_shared.store.operation import Op
from homa_shared.store.transitions.attempts import Claim, Report, fail, leave, renew, settle, take

#: What a job is answered with: a text, or a failure's kind and message.
Answer = Callable[[Claim, JobRequest], str | tuple[str, str] | None]


def body(text: str, model: str = "m") -> dict[str, Any]:
    """A chat completion that says so."""
    message = {"role": "assistant", "content": text}
    return {
        "id": "c1",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }


def prompt_of(request: JobRequest) -> str:
    return str(request.messages[-1]["content"])


class FakeWorker:
    """Takes jobs of one queue and answers each as `answer` says; None leaves it running."""

    def __init__(self, store: Store, answer: Answer, queue: str = "openai") -> None:
        self.store, self.answer, self.queue = store, answer, queue
        self.id = f"{queue}-fake"
        self.claims: list[Claim] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def step(self, slots: int = 50) -> int:
        """Takes and answers once; returns how many."""
        keys = self.store.keys
        facts = {"provider": self.queue, "queues": [self.queue]}
        running = [claim.name for claim in self.claims]
        self.store.run(renew(keys, worker=self.id, lease_ms=30_000, facts=facts, attempts=running))
        asked = take(
            keys,
            worker=self.id,
            nonce=new_nonce(),
            slots=slots,
            lease_ms=30_000,
            provider=self.queue,
            suspects=0,
            queues=[self.queue],
        )
        taken = self.store.run(asked)
        for claim in taken.claims:
            self._answer(claim)
        return len(taken.claims)

    def delta(self, claim: Claim, **fields: str) -> None:
        flat = [part for pair in fields.items() for part in pair]
        command = ("XADD", self.store.keys.deltas(claim.id), "*", "a", claim.attempt, *flat)
        self.store.run(Op((command,), lambda _: None))

    def settle(self, claim: Claim, text: str) -> None:
        provider, _, model = claim.target.partition(":")
        reply = {
            "body": body(text, model),
            "provider": provider,
            "model": model,
            "attempts": claim.tries,
            "cost_nano": 1_500,
            "prior_nano": claim.cost,
            "usage": {"input_tokens": 3, "output_tokens": 2},
            "request_id": "r1",
            "custom_id": claim.custom_id or None,
            "latency_ms": 7,
            "queued_ms": 1,
        }
        report = Report("succeeded", Charge.ACTUAL, nano=1_500, input=3, output=2, health="good")
        self.store.run(settle(self.store.keys, (claim.id, claim.attempt), orjson.dumps(reply), report))

    def fail(self, claim: Claim, kind: str, message: str) -> None:
        provider, _, model = claim.target.partition(":")
        error = {
            "error": {"kind": kind, "message": message, "status": 400, "code": "bad"},
            "provider": provider,
            "model": model,
            "attempts": claim.tries,
            "custom_id": claim.custom_id or None,
        }
        report = Report(kind, Charge.NONE, note=orjson.dumps({"error": message}).decode())
        name = (claim.id, claim.attempt)
        self.store.run(fail(self.store.keys, name, "failed", orjson.dumps(error), report, message))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self.store.run(leave(self.store.keys, self.id))

    def _work(self) -> None:
        while not self._stop.is_set():
            if not self.step():
                self._stop.wait(0.005)

    def _answer(self, claim: Claim) -> None:
        answer = self.answer(claim, JobRequest.decode(claim.request))
        if answer is None:
            self.claims.append(claim)
        elif isinstance(answer, str):
            self.settle(claim, answer)
        else:
            self.fail(claim, *answer)


TOML = """
[providers.openai]
api_key = "not-a-key"
limits = { rpm = 10000000 }
[providers.anthropic]
api_key = "not-a-key"
limits = { rpm = 100000, input_tpm = 10000000, output_tpm = 1000000 }
[providers.ollama]
[models.cheap]
target = "openai:gpt-6-luna"
fallbacks = ["anthropic:claude-haiku-5-5"]
defaults = { max_tokens = 100, top_p = 0.5 }
cache = true
"""


@pytest.fixture
def settings(tmp_path: Path, store_url: str, namespace: str) -> Settings:
    (tmp_path / "homa.toml").write_text(TOML)
    return load_settings(env={"HOMA_REDIS_URL": store_url, "HOMA_NAMESPACE": namespace}, cwd=tmp_path)


@pytest.fixture
def store(store_address: StoreAddress, namespace: str) -> Iterator[Store]:
    store = Store(store_address, namespace, role="test")
    yield store
    store.close()


@pytest.fixture
def homa(settings: Settings) -> Iterator[Homa]:
    with Homa(settings=settings) as client:
        yield client


@pytest.fixture
def workers(store: Store) -> Iterator[Callable[..., FakeWorker]]:
    """Makes workers: `workers(answer)` runs one in a thread, `start=False` leaves it to the test's `step()`."""
    made: list[FakeWorker] = []

    def make(answer: Answer, queue: str = "openai", *, start: bool = True) -> FakeWorker:
        worker = FakeWorker(store, answer, queue)
        made.append(worker)
        if start:
            worker.start()
        return worker

    yield make
    for worker in made:
        worker.stop()


def echo(claim: Claim, request: JobRequest) -> str:
    """Answers with the prompt."""
    return prompt_of(request)
