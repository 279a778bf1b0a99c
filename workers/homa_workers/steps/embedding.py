"""Embeddings of many texts: as many calls as the provider's limits ask for, each but the last one a step.

A part that fails is tried again by itself: what has come is journaled. Vectors of two models do not mix, so that a job
that goes on to another model begins anew there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from homa_shared.embedding import first_part, pack
from homa_shared.needs import need_of_texts
from homa_shared.reply import Completion, Embeddings, Usage
from homa_shared.request import JobRequest
from homa_shared.targets import Target
from homa_workers.steps.attempt import SteppedAttempt
from homa_workers.steps.halting import refused

#: Makes one call for some texts, under the provider's deadline.
EmbedOnce = Callable[[str, list[str], dict[str, Any]], Awaitable[Embeddings]]


class Embedding:
    """The calls of one attempt at embedding a job's texts.

    Args:
        attempt: its accounts with the store.
        request: the texts, and parameters such as `dimensions`.
        call: makes one call.
    """

    def __init__(self, attempt: SteppedAttempt, request: JobRequest, call: EmbedOnce) -> None:
        self._attempt = attempt
        self._texts = request.inputs
        # Vectors come as numbers, whatever the caller wants them as.
        self._params = {name: value for name, value in request.params.items() if name != "encoding_format"}
        self._call = call
        self._model = Target.parse(attempt.claim.target).model
        self._vectors: list[str] = []
        self._usage = Usage()

    async def answer(self) -> Completion:
        """All vectors, in the order of the texts.

        Raises:
            Halted: there are none to be had in this attempt.
            ProviderError: a call went wrong.
        """
        plan = self._attempt.book.plan(self._attempt.claim.target)
        if plan is None or not self._texts:
            raise refused(f"there are {len(self._texts)} texts to embed at {self._attempt.claim.target}")
        await self._go_on()
        while True:
            start = len(self._vectors)
            texts = self._texts[start : first_part(self._texts, plan, start)]
            await self._attempt.allow(need_of_texts(self._attempt.book.prices, plan, texts))
            found = await self._call(self._model, texts, self._params)
            completion = Completion({}, found.usage, found.request_id, metered=found.metered)
            vectors = [pack(vector) for vector in found.vectors]
            if start + len(vectors) >= len(self._texts):
                return self._whole(completion, vectors, found)
            state = {"model": self._model, "start": start, "vectors": vectors, "usage": found.usage}
            await self._attempt.record(completion, orjson.dumps(state))
            self._take(vectors, found.usage)

    async def _go_on(self) -> None:
        for raw in await self._attempt.resume():
            state = orjson.loads(raw)
            usage = Usage(**state["usage"])
            self._attempt.count_earlier(usage)
            if state["model"] == self._model and state["start"] == len(self._vectors):
                self._take(state["vectors"], usage)

    def _take(self, vectors: list[str], usage: Usage) -> None:
        self._vectors += vectors
        self._usage += usage

    def _whole(self, last: Completion, vectors: list[str], found: Embeddings) -> Completion:
        """The last call's completion, with the vectors of all as its body."""
        self._take(vectors, found.usage)
        data = [
            {"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(self._vectors)
        ]
        tokens = self._usage.input_tokens
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        body = {"object": "list", "data": data, "model": found.model, "usage": usage, "encoding_format": "base64"}
        return Completion(body, last.usage, last.request_id, metered=last.metered)
