"""Embeddings of many texts: as many calls as the provider's limits ask for, each but the last one a step.

    journal of earlier attempts → cache, where it is asked for → calls for the texts that are left, equal ones once

A text that the provider refuses has an error in the place of its vector; the others have theirs (`refused_texts`).
Each refused call is a step too: it counts against the provider's limits, and a later attempt goes on from what it told.
A part that fails is tried again by itself: what has come is journaled. Vectors of two models do not mix, so that a job
that goes on to another model begins anew there. Cached vectors are not journaled: a later attempt reads them again, and
embeds those that have run out meanwhile, which nobody has paid for under this job yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from homa_shared.calls.embeddings import pack
from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Completion, Usage
from homa_shared.calls.request import Option
from homa_shared.calls.vector_cache import VectorNames
from homa_shared.model.targets import Target
from homa_shared.quota.embedding_parts import first_part
from homa_shared.quota.need_calculator import NeedCalculator
from homa_workers.fleet.vector_cache import VectorCache, entries_of, found_in
from homa_workers.outcomes.halting import refused
from homa_workers.outcomes.outcomes import Recalled, Succeeded
from homa_workers.pipeline.call import Caller
from homa_workers.pipeline.steps.journal import StepJournal
from homa_workers.pipeline.steps.refused_texts import RefusedTexts

#: Vectors come as numbers, whatever the caller wants them as; and no API of embeddings has service tiers.
_NOT_SENT = frozenset({"encoding_format", "service_tier"})

#: A first call that needs up to so many times the tokens that take reserved goes ahead. The client estimated the same
#: texts, by the factor known at submit: asking the quota again would cost a script a job, and settling corrects both.
_DRIFT = 1.1


class Embedding:
    """The calls of one attempt at embedding a job's texts.

    Args:
        journal: reserves its calls and records its steps.
        caller: makes its calls.
        cache: vectors of single texts; used where the request says so, or the job has a cache key.
    """

    def __init__(self, journal: StepJournal, caller: Caller, cache: VectorCache) -> None:
        request, claim = journal.attempt.request, journal.attempt.claim
        self._journal = journal
        self._texts = request.inputs
        self._params = {name: value for name, value in request.params.items() if name not in _NOT_SENT}
        self._caller = caller
        self._model = Target.parse(claim.target).model
        # A job that goes on to another target has no key there, but its texts are as good as any.
        self._cache = cache if request.cache or claim.cache_key else None
        self._names = VectorNames(claim.tenant, claim.target, self._params)
        #: Where the vector of each text stands: with the cache, at the first text that equals it.
        self._places = _first_equals(self._texts) if self._cache else range(len(self._texts))
        self._vectors: list[str | None] = [None] * len(self._texts)
        self._usage = Usage()
        #: Places whose vectors came from the cache.
        self._recalled: set[int] = set()
        self._refused = RefusedTexts(may_leave=claim.fallbacks_left > 0)
        #: The model that vectors are of, as the provider said.
        self._said_model = self._model

    async def answer(self) -> Succeeded:
        """All vectors, in the order of the texts.

        Raises:
            Halted: this attempt ends without them.
            ProviderError: a call went wrong.
        """
        attempt, book = self._journal.attempt, self._journal.book
        target = attempt.claim.target
        plan = book.plan(target)
        if plan is None or not self._texts:
            raise refused(f"there are {len(self._texts)} texts to embed at {target}")
        await self._go_on()
        await self._recall()
        places = self._missing()
        texts = [self._texts[place] for place in places]
        start = 0
        while start < len(texts):
            await self._journal.follow_settings()
            plan = book.plan(target) or plan
            calculator = NeedCalculator(book.prices, self._params)
            end = self._refused.end_of_call(places, start, first_part(texts, plan, start))
            part, at = texts[start:end], places[start:end]
            need = calculator.embedding(plan, part, book.factor(target))
            why = calculator.why_unbounded_embedding(plan.target)
            await self._journal.allow(self._at_first(need), less=self._cache is not None, why=why)
            try:
                found = await self._caller.embed(attempt, self._model, part, self._params)
            except ProviderError as error:
                if len(self._texts) == 1:
                    raise
                start += self._refused.refused(at, error)
                await self._journal.record_refusal(error, self._refusal(at))
                continue
            self._refused.taken(at)
            vectors = [pack(vector) for vector in found.vectors]
            self._take(at, vectors, found.usage)
            self._said_model = found.model
            entries = self._entries(part, found.model, vectors)
            completion = Completion({}, found.usage, found.request_id, metered=found.metered)
            if end == len(texts):
                return self._whole(completion, entries)
            await self._journal.record(completion, self._state(at, vectors, found.usage))
            await self._journal.between(self._cache.keep(entries) if self._cache else _nothing())
            start = end
        if self._refused.faults and not any(self._vectors):
            raise self._refused.last or refused(next(iter(self._refused.faults.values())))
        return self._whole(None, {})

    def _at_first(self, need: Option) -> Option:
        """A call's need; that of a first one at the tokens that take reserved, where these are about as many."""
        if self._journal.number:
            return need
        reserved = self._journal.attempt.claim.tokens
        suffices = all(had <= tokens <= had * _DRIFT for had, tokens in zip(reserved, need.tokens, strict=True))
        return replace(need, tokens=reserved) if suffices else need

    async def _go_on(self) -> None:
        """Takes what the steps of earlier attempts brought."""
        for raw in await self._journal.resume():
            state = orjson.loads(raw)
            if "refused" in state:
                self._journal.count_earlier_refusal()
                if state["target"] == self._journal.attempt.claim.target:
                    self._refused.restore(state["refused"])
                continue
            usage = Usage.of_counts(state["usage"])
            self._journal.count_earlier(usage)
            if state["model"] == self._model:
                start = state["start"]
                places = state.get("at") or range(start, start + len(state["vectors"]))
                self._take(places, state["vectors"], usage)
                self._refused.taken(places)

    async def _recall(self) -> None:
        """Takes what the cache holds of the texts that are left."""
        if self._cache is None:
            return
        by_name = {self._names.of(self._texts[place]): place for place in self._missing()}
        for names, op in self._cache.reads(list(by_name)):
            entries = await self._journal.ask(op)
            for name, vector in found_in(names, entries):
                self._vectors[by_name[name]] = vector.packed
                self._said_model = vector.model
                self._recalled.add(by_name[name])

    def _missing(self) -> list[int]:
        """Places of the texts that have no vector yet, and are not known to get none."""
        faults = self._refused.faults
        return [n for n in dict.fromkeys(self._places) if self._vectors[n] is None and n not in faults]

    def _take(self, places: Sequence[int], vectors: Sequence[str], usage: Usage) -> None:
        for place, vector in zip(places, vectors, strict=True):
            self._vectors[self._places[place]] = vector
        self._usage += usage

    def _state(self, places: Sequence[int], vectors: list[str], usage: Usage) -> bytes:
        """A part as a later attempt goes on from it."""
        state: dict[str, Any] = {"model": self._model, "start": places[0], "vectors": vectors, "usage": usage.counts()}
        if self._cache:
            # A worker of the release before knows no places: it must not take these texts for others.
            state |= {"start": -1, "at": places}
        return orjson.dumps(state)

    def _refusal(self, places: Sequence[int]) -> bytes:
        """A call that was refused as a later attempt goes on from it."""
        # A worker of the release before knows no refusals: to it this is a part of another model.
        unread = {"model": "", "usage": Usage().counts()}
        target = self._journal.attempt.claim.target
        return orjson.dumps(unread | {"target": target, "refused": self._refused.state(places)})

    def _entries(self, texts: Sequence[str], model: str, vectors: Sequence[str]) -> dict[str, bytes]:
        return entries_of(map(self._names.of, texts), model, vectors) if self._cache else {}

    def _whole(self, last: Completion | None, entries: dict[str, bytes]) -> Succeeded:
        """The last call's completion, with the vectors of all as its body.

        Args:
            last: None where no call was left to make.
            entries: what is to be kept once the reply is stored.
        """
        faults = self._refused.faults
        data = [
            {"object": "embedding", "index": index, "embedding": self._vectors[place]}
            | ({"error": faults[place]} if place in faults else {})
            for index, place in enumerate(self._places)
        ]
        tokens = self._usage.input_tokens
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        body = {"object": "list", "data": data, "model": self._said_model, "usage": usage, "encoding_format": "base64"}
        done = last or Completion({}, Usage())
        whole = Completion(body, done.usage, done.request_id, metered=done.metered)
        texts = sum(place in self._recalled for place in self._places)
        recalled = Recalled(texts, called=last is not None, entries=entries)
        return Succeeded(whole, recalled)


def _first_equals(texts: Sequence[str]) -> list[int]:
    """For each text the place of the first one that equals it."""
    first: dict[str, int] = {}
    return [first.setdefault(text, place) for place, text in enumerate(texts)]


async def _nothing() -> None:
    """What is to be kept where there is no cache."""
