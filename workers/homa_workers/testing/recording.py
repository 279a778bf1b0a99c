"""Tells a test of every call that its jobs make."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol

from homa_shared.calls.reply import Call, Embeddings
from homa_workers.attempt import RunningAttempt
from homa_workers.middleware import Middleware


class Record(Protocol):
    """Gets each call.

    Args:
        job: its job's id.
        target: `provider:model`.
        inputs: texts to embed.
    """

    def __call__(
        self,
        job: str,
        target: str,
        messages: Sequence[Mapping[str, Any]],
        params: Mapping[str, Any],
        inputs: Sequence[str],
    ) -> None: ...


class Recording(Middleware):
    """The middleware of one worker that tells of its calls.

    Args:
        record: gets each.
    """

    def __init__(self, record: Record) -> None:
        self._record = record

    def before_call(self, attempt: RunningAttempt, call: Call) -> Awaitable[None] | None:
        self._record(attempt.claim.id, attempt.claim.target, call.messages, call.params, ())
        return None

    def after_embedding(
        self, attempt: RunningAttempt, texts: Sequence[str], result: Embeddings | Exception
    ) -> Awaitable[None] | None:
        self._record(attempt.claim.id, attempt.claim.target, (), attempt.request.params, texts)
        return None
