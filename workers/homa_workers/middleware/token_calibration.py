"""Learns from replies how far estimates of input tokens are off."""

from __future__ import annotations

from collections.abc import Sequence

from homa_shared.calls.prompt_templates import of_tags
from homa_shared.calls.reply import Call, Completion, Embeddings
from homa_shared.store.client import AsyncStore
from homa_workers.attempt import RunningAttempt
from homa_workers.fleet.token_calibration import FLUSH_S, TokenLearning
from homa_workers.middleware.base import Chore, Middleware


class TokenCalibration(Middleware):
    """Compares estimates with what replies report, and tells the fleet now and then.

    Args:
        store: where the fleet's sums are.
    """

    def __init__(self, store: AsyncStore) -> None:
        self.learning = TokenLearning(store)

    def after_call(self, attempt: RunningAttempt, call: Call, result: Completion | Exception) -> None:
        if isinstance(result, Completion):
            claim = attempt.claim
            self.learning.note(claim.target, call, result)
            # Most jobs have no tags at all.
            if claim.tags and (template := of_tags(claim.tags)):
                self.learning.note_template(template, claim.target, result)

    def after_embedding(self, attempt: RunningAttempt, texts: Sequence[str], result: Embeddings | Exception) -> None:
        if isinstance(result, Embeddings):
            self.learning.note_texts(attempt.claim.target, texts, result)

    def chores(self) -> Sequence[Chore]:
        return (Chore(FLUSH_S, self.learning.flush),)
