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
from homa_shared.store.keys import Keys
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

    def filled(self, attempt: RunningAttempt, place: FlowPlace) -> bool:
        """Gives an attempt its messages where all that they are made of came with its claim; else `fill` reads it.

        Those of a step that waits stand in its request, once its question was asked.

        Raises:
            Halted: as `fill`.
        """
        raws = attempt.claim.parents
        if place.asked:
            return True
        if len(raws) != len(place.parents):
            return False
        told = _told(self._keys, place, raws)
        if any("body_at" in each for each in told):
            return False
        _fill(attempt, place, _values(place, told))
        return True

    async def fill(self, attempt: RunningAttempt, place: FlowPlace) -> None:
        """Gives an attempt its messages.

        Raises:
            Halted: what they are made of is no longer kept, or lacks a field that they name.
        """
        told = _told(self._keys, place, await self._reads.values(self._named(attempt.claim.batch, place.parents)))
        for (_, reference), each in zip(place.parents, told, strict=True):
            if not reference.startswith(ITEM) and "body_at" in each:
                each["body"] = await self._media.body(each["body_at"])
        _fill(attempt, place, _values(place, told))

    def _named(self, run: str, parents: Sequence[tuple[str, str]]) -> list[str]:
        keys = self._keys
        return [
            keys.flow_item(run, step, reference.removeprefix(ITEM))
            if reference.startswith(ITEM)
            else keys.reply(reference)
            for step, reference in parents
        ]


def _told(keys: Keys, place: FlowPlace, raws: Sequence[bytes | None]) -> list[dict[str, Any]]:
    """Items and replies as JSON says them."""
    told = []
    for (step, reference), raw in zip(place.parents, raws, strict=True):
        if raw is None:
            what = f"item {reference[1:]}" if reference.startswith(ITEM) else f"the answer of {reference}"
            raise refused(f"{what} ({step}), which its prompt is made of, is no longer kept: see retention.results")
        kind = Kind.ITEM if reference.startswith(ITEM) else Kind.REPLY
        try:
            told.append(orjson.loads(opened(keys, kind, raw)))
        except SealedPayload as error:
            raise Halted(Released(str(error), NOT_HERE_MS)) from error
    return told


def _values(place: FlowPlace, told: Sequence[dict[str, Any]]) -> list[Value]:
    return [
        Value.of_item(each) if reference.startswith(ITEM) else Value.of_answer(each["body"])
        for (_, reference), each in zip(place.parents, told, strict=True)
    ]


def _fill(attempt: RunningAttempt, place: FlowPlace, values: Sequence[Value]) -> None:
    request = attempt.request
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
