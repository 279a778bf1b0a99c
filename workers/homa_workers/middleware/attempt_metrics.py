"""Counts what attempts come to, for Prometheus. Plain numbers of one worker; a scrape reads them from another thread.

An attempt costs a few additions on the loop that all jobs share. Everything else (labels, text, the client's objects)
is made when somebody scrapes.
"""

from __future__ import annotations

from homa_shared.calls.failures import Charge
from homa_shared.metrics import worker_catalogue as names
from homa_shared.metrics.families import Families, Tally, dollars
from homa_shared.metrics.metric import MODELS_SHOWN, OTHER, BoundedNames
from homa_shared.store.transitions.attempts import ReportResult
from homa_workers.attempt import RunningAttempt
from homa_workers.middleware.base import Middleware
from homa_workers.outcomes.outcomes import Asked, Deferred, Ended, Outcome, Released, Rerouted, Succeeded, name_of

#: Upper bounds of buckets, s: of attempts, of first tokens, of waits in a queue.
SECONDS = (0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
FIRST_TOKEN = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
WAITED = (1, 5, 30, 120, 600, 3600)
_NAMES = {Succeeded: "succeeded", Deferred: "deferred", Rerouted: "rerouted", Released: "released", Asked: "asked"}
_TOKENS = ("input", "output", "cached", "cache_write", "reasoning")


class _ModelTally:
    """What the attempts at one model came to."""

    __slots__ = ("known", "outcomes", "seconds", "tokens", "unpriced", "unresolved")

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {}
        self.seconds = Tally(SECONDS)
        self.tokens = [0] * len(_TOKENS)
        #: Nano-dollars.
        self.known = self.unresolved = 0
        self.unpriced = 0


class AttemptMetrics(Middleware):
    """The attempts of one worker, counted.

    Args:
        provider: the account that it serves.
    """

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._labels = BoundedNames(MODELS_SHOWN)
        self._models: dict[str, _ModelTally] = {}
        #: By target, those that have a label of their own.
        self._targets: dict[str, _ModelTally] = {}
        self._errors: dict[str, int] = {}
        self._first_token = Tally(FIRST_TOKEN)
        self._waited: dict[str, Tally] = {}

    def attempt_ended(self, attempt: RunningAttempt, outcome: Outcome, result: ReportResult | None) -> None:
        claim = attempt.claim
        tally = self._targets.get(claim.target) or self._tally(claim.target)
        kind = type(outcome)
        name = _NAMES.get(kind) or str(outcome.state)  # type: ignore[union-attr] # only Ended has no name of its own
        tally.outcomes[name] = tally.outcomes.get(name, 0) + 1
        if claim.tries == 1 and claim.attempt == 1:
            waited = self._waited.get(claim.lane) or self._waited.setdefault(claim.lane, Tally(WAITED))
            waited.add(claim.waited_ms / 1000)
        if kind is Released or kind is Asked:
            return
        tally.seconds.add(attempt.latency_ms / 1000)
        if attempt.first_text_s is not None:
            self._first_token.add(attempt.first_text_s - attempt.started_s)
        if attempt.spent.calls:
            _add_spent(tally, attempt)
        if kind is not Succeeded:
            self._failed(tally, attempt, outcome)
        elif outcome.called and not outcome.completion.metered:  # type: ignore[union-attr]
            tally.unresolved += claim.bound or 0

    def families(self, told: Families) -> None:
        """Adds what was counted to a scrape."""
        whose = self._provider
        for model, tally in list(self._models.items()):
            labels = (whose, model)
            for outcome, count in list(tally.outcomes.items()):
                told.add(names.ATTEMPTS, count, *labels, outcome)
            told.tally(names.SECONDS, tally.seconds, *labels)
            for kind, count in zip(_TOKENS, list(tally.tokens), strict=True):
                told.add(names.TOKENS, count, *labels, kind)
            told.add(names.DOLLARS, dollars(tally.known), *labels, "known")
            told.add(names.DOLLARS, dollars(tally.unresolved), *labels, "unresolved")
            told.add(names.UNPRICED, tally.unpriced, *labels)
        for error, count in list(self._errors.items()):
            told.add(names.ERRORS, count, whose, error)
        told.tally(names.FIRST_TOKEN, self._first_token, whose)
        for lane, waited in list(self._waited.items()):
            told.tally(names.WAITED, waited, whose, lane)

    def _tally(self, target: str) -> _ModelTally:
        model = self._labels.label(target.partition(":")[2])
        tally = self._models.setdefault(model, _ModelTally())
        if model != OTHER:
            self._targets[target] = tally
        return tally

    def _failed(self, tally: _ModelTally, attempt: RunningAttempt, outcome: Outcome) -> None:
        match outcome:
            case Deferred(error) | Rerouted(error) | Ended(error):
                name = name_of(error)
                self._errors[name] = self._errors.get(name, 0) + 1
                if error.charge is Charge.UNRESOLVED:
                    tally.unresolved += attempt.claim.bound or 0


def _add_spent(tally: _ModelTally, attempt: RunningAttempt) -> None:
    spent, tokens = attempt.spent, tally.tokens
    usage = spent.usage
    tokens[0] += usage.input_tokens
    tokens[1] += usage.output_tokens
    tokens[2] += usage.cached_tokens
    tokens[3] += usage.cache_write_tokens
    tokens[4] += usage.reasoning_tokens
    if spent.nano is None:
        tally.unpriced += 1
    else:
        tally.known += spent.nano
