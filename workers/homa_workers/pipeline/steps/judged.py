"""Answers that a model grades: by a rubric, wherever that model is.

    answer → to the judge → verdict → is it good? → if not: back with what is wrong, or on to a stronger model

The answer is a step like any other that is not the end: paid, journaled, and gone on from by whoever has the job next.
Where the judge is another target, the job goes there by its queue, and back: within the same attempts, budget and
history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from homa_shared.calls.answer_messages import answer_message
from homa_shared.calls.flow_place import shown
from homa_shared.calls.flow_rules import NO_RULES, Judge
from homa_shared.calls.reply import Call, Completion
from homa_shared.calls.request import StepRules
from homa_shared.calls.verdicts import VERDICT, verdict_messages
from homa_shared.model.pools import queue_of
from homa_shared.store.transitions.next_target import NextTarget
from homa_workers.fleet.next_target import next_target
from homa_workers.outcomes.halting import Halted, Unsent, ended
from homa_workers.outcomes.outcomes import Rerouted, Succeeded, succeeded
from homa_workers.pipeline.call import Caller
from homa_workers.pipeline.reckoning import need_of_call
from homa_workers.pipeline.steps.chat import Chat
from homa_workers.pipeline.steps.earlier import State, earlier_steps
from homa_workers.pipeline.steps.journal import StepJournal
from homa_workers.tools.toolbox import Toolbox


class Rejected(Unsent):
    """No answer that the judge lets pass; the last one is kept."""

    def __init__(self, message: str, body: Mapping[str, Any]) -> None:
        super().__init__("rejected", message)
        self.body = dict(body)


@dataclass(frozen=True, slots=True)
class _Pending:
    """An answer that was paid for, and waits for its verdict."""

    number: int
    target: str
    #: Targets of the chain behind it.
    fallbacks_left: int
    body: dict[str, Any]
    request_id: str | None

    @classmethod
    def of(cls, number: int, state: State) -> _Pending:
        return cls(number, state["target"], state["fallbacks_left"], state["body"], state["request_id"])


class Judged:
    """The calls of one attempt at an answer that is graded.

    Args:
        journal, toolbox, caller: as of `Chat`.
        judge: who grades, and by what.
    """

    def __init__(self, journal: StepJournal, toolbox: Toolbox, caller: Caller, judge: Judge) -> None:
        self._journal, self._toolbox, self._caller, self._judge = journal, toolbox, caller, judge
        self._attempt = journal.attempt
        self._request, self._fallbacks_left = self._attempt.request, self._attempt.claim.fallbacks_left
        self._steps: list[tuple[int, State]] = []

    async def answer(self) -> Succeeded:
        """The answer, once the judge lets one pass.

        Raises:
            Halted: this attempt ends without one: it goes on at another target, or none passes.
            ProviderError: a call went wrong.
        """
        self._steps = await earlier_steps(self._journal)
        while True:
            pending = self._pending()
            if pending is None:
                completion = await self._chat([step for step in self._steps if not step[1].get("grades")]).answer()
                if by := self._attempt.answered_by:
                    return succeeded(completion, by)
                pending = await self._keep(completion)
            if self._attempt.claim.target != self._judge.target:
                raise self._on_to_judge(pending)
            verdict = await self._graded(pending)
            said = orjson.loads(verdict.text)
            if said["pass"]:
                self._attempt.answered_at = pending.target
                return Succeeded(replace(verdict, body=pending.body, request_id=pending.request_id))
            await self._reject(pending, verdict, str(said["why"]))

    def _pending(self) -> _Pending | None:
        own = [(number, state) for number, state in self._steps if not state.get("grades")]
        return _Pending.of(*own[-1]) if own and own[-1][1]["why"] == "answer" else None

    def _chat(self, steps: list[tuple[int, State]], *, grades: bool = False) -> Chat:
        return Chat(self._journal, self._toolbox, self._caller, steps, grades=grades)

    # -- the answer -------------------------------------------------------------------------------------------------

    async def _keep(self, completion: Completion) -> _Pending:
        state = {
            "why": "answer",
            "target": self._attempt.claim.target,
            "messages": [answer_message(completion.body)],
            "fallbacks_left": self._fallbacks_left,
            "body": completion.body,
            "request_id": completion.request_id,
        }
        await self._record(completion, state)
        return _Pending.of(*self._steps[-1])

    async def _record(self, completion: Completion, state: State) -> None:
        state["usage"] = completion.usage.counts()
        await self._journal.record(completion, orjson.dumps(state))
        self._steps.append((self._journal.number, state))

    # -- the verdict ------------------------------------------------------------------------------------------------

    async def _graded(self, pending: _Pending) -> Completion:
        """The verdict on an answer. A judge has no fallback: whoever is to grade was named."""
        attempt = self._attempt
        steps = [step for step in self._steps if step[0] > pending.number]
        call = self._call(pending)
        attempt.claim = replace(attempt.claim, fallbacks_left=0)
        attempt.request = replace(
            self._request,
            messages=list(call.messages),
            params=dict(call.params),
            caps=(),
            options=self._request.options[:1],
            steps=StepRules(),
            rules=NO_RULES,
            shared=None,
        )
        # Where it fails, nothing of the step's own chain is what its error leads to.
        verdict = await self._chat(steps, grades=True).answer()
        attempt.request = self._request
        attempt.claim = replace(attempt.claim, fallbacks_left=self._fallbacks_left)
        return verdict

    def _call(self, pending: _Pending) -> Call:
        answer = shown((pending.body["choices"][0].get("message") or {}).get("content"))
        messages = verdict_messages(self._request.messages, answer, self._judge.rubric)
        schema = {"name": "verdict", "strict": True, "schema": VERDICT}
        params = {
            "max_tokens": self._judge.max_tokens,
            "response_format": {"type": "json_schema", "json_schema": schema},
        }
        return Call(self._judge.target.partition(":")[2], messages, params)

    async def _reject(self, pending: _Pending, verdict: Completion, why: str) -> None:
        """Journals what is wrong with an answer; returns where it is asked for again here.

        Raises:
            Halted: it is asked for elsewhere, or no more.
        """
        correction = f"Your answer was not accepted: {why}\n\nAnswer again, in whole."
        state = {"why": "verdict", "target": pending.target, "messages": [{"role": "user", "content": correction}]}
        await self._record(verdict, {**state, "said": why})
        tries = sum(each["why"] == "verdict" and each["target"] == pending.target for _, each in self._steps)
        if tries <= self._request.steps.content_retries:
            if self._attempt.claim.target == pending.target:
                return
            raise self._back(pending)
        text = f"the judge {self._judge.target} lets none of {tries} answers pass: {why}"
        raise self._escalated(pending, text) or ended(Rejected(text, pending.body))

    # -- ways -------------------------------------------------------------------------------------------------------

    def _on_to_judge(self, pending: _Pending) -> Halted:
        book, target = self._journal.book, self._judge.target
        hop = book.hop(target)
        if hop is None:
            return ended(Rejected(f"nobody can grade its answer: the fleet has no {target} any more", pending.body))
        claim = replace(self._attempt.claim, target=target)
        need = need_of_call(book, claim, self._call(pending)).need
        way = NextTarget.of(need, queue_of(hop), self._fallbacks_left)
        return self._rerouted("to_judge", f"its answer goes to {target}, which grades it", way)

    def _back(self, pending: _Pending) -> Halted:
        options, book = self._request.options, self._journal.book
        option = options[len(options) - 1 - pending.fallbacks_left]
        hop = book.hop(option.target)
        if hop is None:
            return ended(Rejected(f"it cannot be mended: the fleet has no {option.target} any more", pending.body))
        way = NextTarget.of(option, queue_of(hop), pending.fallbacks_left)
        return self._rerouted("rejected", "its answer was rejected, and is asked for again", way)

    def _escalated(self, pending: _Pending, text: str) -> Halted | None:
        attempt = self._attempt
        left = min(pending.fallbacks_left, self._request.rules.escalation)
        if not left or attempt.claim.tries >= attempt.claim.max_attempts:
            return None
        skipped: list[tuple[str, str]] = []
        claim = replace(attempt.claim, fallbacks_left=left, target=pending.target)
        way = next_target(self._journal.book, claim, self._request, skipped=skipped)
        attempt.skipped = skipped
        return None if way is None else Halted(Rerouted(Unsent("escalated", text), way))

    def _rerouted(self, why: str, message: str, way: NextTarget) -> Halted:
        """On to where the same question is gone on with; it is no try of its own."""
        way = replace(way, cache_key=self._attempt.claim.cache_key)
        return Halted(Rerouted(Unsent(why, message), way, counts=False))
