"""A middleware that notes the moments it is told of."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from homa_workers.middleware import (
    Call,
    Chore,
    Claim,
    Completion,
    Embeddings,
    Middleware,
    Outcome,
    ReportResult,
    RunningAttempt,
    WorkerIdentity,
)


class Witness(Middleware):
    """Notes each moment with the attempt's number and what came of it."""

    def __init__(self) -> None:
        self.worker: WorkerIdentity | None = None
        self.seen: list[tuple[Any, ...]] = []
        self.defects: list[str] = []
        self.turns = 0

    async def start(self, worker: WorkerIdentity) -> None:
        self.worker = worker

    async def stop(self) -> None:
        self.worker = None

    def chores(self) -> Sequence[Chore]:
        return (Chore(0.01, self._turn),)

    async def _turn(self) -> None:
        self.turns += 1
        if self.turns == 1:
            raise RuntimeError("the first turn fails")

    async def adapt_call(self, attempt: RunningAttempt, call: Call) -> Call:
        self._note("adapt_call", attempt)
        return call

    def before_call(self, attempt: RunningAttempt, call: Call) -> None:
        self._note("before_call", attempt)

    async def after_call(self, attempt: RunningAttempt, call: Call, result: Completion | Exception) -> None:
        # However long it takes, it is told the next thing when it is through with this one.
        await asyncio.sleep(0.05)
        self._note("after_call", attempt, _word(result))

    def after_embedding(self, attempt: RunningAttempt, texts: Sequence[str], result: Embeddings | Exception) -> None:
        self._note("after_embedding", attempt, len(texts), _word(result))

    def attempt_ended(self, attempt: RunningAttempt, outcome: Outcome, result: ReportResult | None) -> None:
        self._note("attempt_ended", attempt, type(outcome).__name__, result)

    def defect(self, error: BaseException, claim: Claim | None) -> None:
        self.defects.append(f"{type(error).__name__}: {error}")

    def _note(self, hook: str, attempt: RunningAttempt, *facts: Any) -> None:
        self.seen.append((hook, attempt.claim.attempt, *facts))

    @property
    def ended(self) -> int:
        return sum(moment[0] == "attempt_ended" for moment in self.seen)


def _word(result: object) -> str:
    return str(getattr(result, "kind", type(result).__name__))
