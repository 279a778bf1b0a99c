"""Prompts of nodes of flows: made of items and other steps' answers, right before the call.

What take reserved was reckoned by the sizes of these in the store. Where the prompt has become larger than that, or its
call goes to another target, its need is reckoned anew before it leaves, as that of any call that has grown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from homa_shared.calls.flow_place import ITEM, FlowPlace, Value, rendered, values_by_name
from homa_shared.model.errors import InvalidRequest, SealedPayload
from homa_shared.store.client import AsyncStore
from homa_shared.store.sealing import Kind, opened
from homa_workers.attempt import RunningAttempt
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.outcomes.halting import Halted, refused
from homa_workers.outcomes.outcomes import Released
from homa_workers.store_io.gathered_reads import GatheredReads
from homa_workers.store_io.media import Media
from homa_workers.store_io.persist import NOT_HERE_MS

#: Prompts up to so many bytes cost the same a byte: windows whose price is higher begin above.
_LINEAR_BYTES = 100_000
#: Why its need is reckoned anew, for people.
GROWN = "its prompt is made of answers that were not known when it was accepted"


class FlowPrompts:
    """Fills the templates of nodes.

    Args:
        store: holds items and replies.
        media: fetches bodies of large replies.
        log: told of an absent store.
    """

    def __init__(self, store: AsyncStore, media: Media, log: WorkerLog) -> None:
        self._keys, self._media, self._reads = store.keys, media, GatheredReads(store, log)

    async def fill(self, attempt: RunningAttempt, place: FlowPlace) -> None:
        """Gives an attempt its messages.

        Raises:
            Halted: what they are made of is no longer kept, or lacks a field that they name.
        """
        if place.asked:
            return
        request, values = attempt.request, await self._values(attempt, place)
        if request.rules.code:
            attempt.values = values_by_name(place, values)
            return
        try:
            messages = rendered(request.messages, place, values)
        except InvalidRequest as error:
            raise refused(str(error)) from error
        added = len(orjson.dumps(messages)) - len(orjson.dumps(request.messages))
        is_covered = attempt.claim.bound == place.bound and added <= place.size <= _LINEAR_BYTES
        attempt.request = replace(request, messages=messages)
        attempt.grown = "" if is_covered else GROWN

    async def _values(self, attempt: RunningAttempt, place: FlowPlace) -> list[Value]:
        raws = await self._reads.values(self._named(attempt.claim.batch, place.parents))
        return [await self._value(*parent, raw) for parent, raw in zip(place.parents, raws, strict=True)]

    def _named(self, run: str, parents: Sequence[tuple[str, str]]) -> list[str]:
        keys = self._keys
        return [
            keys.flow_item(run, step, reference.removeprefix(ITEM))
            if reference.startswith(ITEM)
            else keys.reply(reference)
            for step, reference in parents
        ]

    async def _value(self, step: str, reference: str, raw: bytes | None) -> Value:
        if raw is None:
            what = f"item {reference[1:]}" if reference.startswith(ITEM) else f"the answer of {reference}"
            raise refused(f"{what} ({step}), which its prompt is made of, is no longer kept: see retention.results")
        kind = Kind.ITEM if reference.startswith(ITEM) else Kind.REPLY
        try:
            raw = opened(self._keys, kind, raw)
        except SealedPayload as error:
            raise Halted(Released(str(error), NOT_HERE_MS)) from error
        if kind is Kind.ITEM:
            return Value.of_item(raw)
        told: dict[str, Any] = orjson.loads(raw)
        if "body_at" in told:
            told["body"] = await self._media.body(told["body_at"])
        return Value.of_answer(told["body"])
