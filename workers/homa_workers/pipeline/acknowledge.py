"""Tells the store how an attempt ended: each outcome in one clause, here and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import orjson

from homa_shared.calls.failures import Charge, ProviderError
from homa_shared.model.json_safe import valid_text
from homa_shared.model.tokens import NOTHING_USED
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Report, ReportResult, Settlement, fail, requeue, settle_one
from homa_shared.store.transitions.flows import ask
from homa_workers.attempt import RunningAttempt
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.outcomes import reports
from homa_workers.outcomes.answer_ends import end_of
from homa_workers.outcomes.outcomes import Asked, Deferred, Ended, Outcome, Released, Rerouted, Succeeded
from homa_workers.pipeline.answer_filters import dropped_by
from homa_workers.pipeline.costs import all_spent, last_price, least_price
from homa_workers.pipeline.skipping import tell_skipped
from homa_workers.providers.secrets import NO_SECRETS, Secrets
from homa_workers.store_io.group_commit import GroupCommit
from homa_workers.store_io.media import Media
from homa_workers.store_io.persist import hand_back, persist, shielded, to_the_end
from homa_workers.store_io.replay_buffer import Recent


class Acknowledger:
    """Reports outcomes until the store has them.

    Args:
        store: where reports go.
        book: prices and plans.
        log: told of an absent store, and whose worker this is.
        media: takes large replies to the blob store.
        recent: keeps reports that the store has taken, should it come back without them.
        group: settles plain good replies together.
        secrets: what no reply may hold.
    """

    def __init__(
        self,
        store: AsyncStore,
        book: FleetBook,
        log: WorkerLog,
        media: Media,
        recent: Recent,
        group: GroupCommit,
        secrets: Secrets = NO_SECRETS,
    ) -> None:
        self._secrets = secrets
        self._store = store
        self._book = book
        self._log = log
        self.media = media
        self._recent = recent
        self._group = group

    async def acknowledge(self, attempt: RunningAttempt, outcome: Outcome) -> ReportResult | None:
        """Returns how the store took it; None where the job was handed back unsent."""
        nano = last_price(self._book, self._log, attempt, outcome)
        attempt.spent = all_spent(attempt, outcome, nano)
        telling = self._tell(attempt, outcome, nano)
        # A good reply is told in one operation; what takes several must not stop between two of them.
        return await (telling if isinstance(outcome, Succeeded) else shielded(telling))

    async def _tell(self, attempt: RunningAttempt, outcome: Outcome, nano: int | None) -> ReportResult | None:
        keys, key, claim = self._store.keys, attempt.key, attempt.claim
        if attempt.skipped:
            await tell_skipped(self._store, claim, attempt.skipped)
        match outcome:
            case Succeeded(completion, recalled):
                report = self._success(attempt, outcome, nano)
                answer = self._secrets.hidden_answer(reports.reply_json(attempt, completion, nano, recalled))
                if attempt.request.rules.filters:
                    return await self._filtered(attempt, completion.text, answer, report)
                reply = await self.media.offloaded(claim, answer)
                return await self._settle(Settlement(key, reply, report.encode()), together=_is_plain(attempt, report))
            case Deferred(error, delay_ms, counts, pause):
                report = self._failure(attempt, error, nano)
                op = requeue(keys, key, "job.deferred", delay_ms=delay_ms, report=report, counts=counts)
                result = await self._report(op)
                if pause:
                    # Behind the report, which must not wait for it: until then the account's breaker holds the batch.
                    why = valid_text(pause) if keys.cipher is None else f"the account was refused: see job {claim.id}"
                    await persist(self._store, admin.pause_batch(keys, claim.batch, why), self._log)
                return result
            case Rerouted(error, following, counts):
                report = self._failure(attempt, error, nano)
                await self._write_plan(following.target)
                op = requeue(keys, key, "job.rerouted", delay_ms=0, report=report, counts=counts, to=following)
                return await self._report(op)
            case Ended(error, state):
                report, envelope = self._failure(attempt, error, nano), reports.error_json(attempt, error)
                return await self._report(fail(keys, key, state, envelope, report, valid_text(str(error))))
            case Asked(token, expires_ms, request):
                unsent = Report("released", Charge.NONE, used=NOTHING_USED, worker=self._log.worker)
                return await self._report(ask(keys, key, unsent.encode(), token, expires_ms, request))
            case Released(_, delay_ms):
                await hand_back(self._store, claim, self._log, delay_ms=delay_ms)
                return None

    async def _filtered(self, attempt: RunningAttempt, text: str, answer: bytes, report: Report) -> ReportResult:
        """Settles a good reply of a flow's step behind which filters stand, with what they make of its text."""
        # It is paid for and not stored yet: whoever stops this has to wait.
        dropped, cancelled = await to_the_end(dropped_by(attempt.request.rules, text))
        answer = b'{"drop":%b,%b' % (orjson.dumps(dropped), answer[1:]) if dropped else answer
        reply = await self.media.offloaded(attempt.claim, answer)
        result = await self._settle(Settlement(attempt.key, reply, report.encode()), together=False)
        if cancelled is not None:
            raise cancelled
        return result

    def _success(self, attempt: RunningAttempt, outcome: Succeeded, nano: int | None) -> Report:
        claim, worker = attempt.claim, self._log.worker
        if outcome.completion.breaks_off and (end := end_of(outcome.completion, attempt.params)):
            attempt.parameter_notes += (end,)
        if not outcome.called:
            after_calls, answered = attempt.steps.own > 0, bool(outcome.answered_by)
            report = reports.of_recall(
                claim, outcome.completion, after_calls=after_calls, answered=answered, worker=worker
            )
            report = replace(report, partial=report.partial or outcome.alone)
            return reports.noting(report, attempt.parameter_notes)
        plan = self._book.plan(claim.target)
        report = reports.of_success(claim, outcome.completion, nano, plan, worker=worker, refused=attempt.refused)
        report = self._book.with_saving(claim.target, report, outcome.completion.usage)
        return reports.noting(report, attempt.parameter_notes)

    def _failure(self, attempt: RunningAttempt, error: ProviderError, nano: int | None) -> Report:
        claim, worker = attempt.claim, self._log.worker
        floor = least_price(self._book, self._log, claim, error)
        report = reports.of_error(
            claim, error, nano, attempt.latency_ms, floor=floor, worker=worker, refused=attempt.refused
        )
        return reports.noting(self._book.with_saving(claim.target, report, error.usage), attempt.parameter_notes)

    async def _report(self, op: Op[ReportResult]) -> ReportResult:
        """Until the store has it, and again should the store come back without it."""
        return await persist(self._store, op, self._log, self._recent)

    async def _settle(self, told: Settlement, *, together: bool) -> ReportResult:
        """The same of a good reply, together with others where it is as plain as they are."""
        op = settle_one(self._store.keys, told)
        sent = partial(self._group.settle, told) if together else None
        return await persist(self._store, op, self._log, self._recent, sent)

    async def _write_plan(self, target: str) -> None:
        if (op := self._book.writing([target])) is not None:
            await persist(self._store, op, self._log)
            self._book.written([target])


def _is_plain(attempt: RunningAttempt, report: Report) -> bool:
    """Whether a good reply needs nothing rare: one call, its usage known, its answer for nobody else.

    The store asks again (scripts/lib/plain_reports.lua): what it knows better is told by itself then.
    """
    is_kept = attempt.claim.cache_key and attempt.request.flow is None
    return report.charge is Charge.ACTUAL and not attempt.steps.count and not is_kept
