"""Queues of Homa's own, whose messages no actor of an application runs: deliveries, batches that schedules have due."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from homa_shared.store.transitions.attempts import Claim


class OwnQueue(Protocol):
    """What does the messages of one such queue. They take no slots from calls."""

    #: Messages under way.
    running: int

    @property
    def has_room(self) -> bool:
        """Whether it takes another one."""

    def run(self, claim: Claim) -> Coroutine[Any, Any, None]:
        """One try, from claim to the store's answer: to be awaited. Cancelled, it is handed back."""


#: By the queue's name.
OwnQueues: TypeAlias = Mapping[str, OwnQueue]


def running(own: OwnQueues) -> int:
    """Messages under way in all of them."""
    return sum(queue.running for queue in own.values())


def without_full(own: OwnQueues, queues: Sequence[str]) -> list[str]:
    """Queues but for those of Homa's own that take no other message now."""
    return [name for name in queues if name not in own or own[name].has_room]


def is_any_full(own: OwnQueues, queues: Collection[str]) -> bool:
    """Whether one of the queues takes no other message now."""
    return any(name in queues and not queue.has_room for name, queue in own.items())
