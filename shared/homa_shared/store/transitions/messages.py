"""What a worker asks of the store for an ordinary Dramatiq message: its acknowledgement, with what its run enqueued."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, text
from homa_shared.store.sealing import sealed_request
from homa_shared.store.transitions.attempts import Name, ReportResult


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A Dramatiq message enqueued while another ran; committed with the other's ack."""

    id: str
    queue: str
    lane: str
    body: bytes
    delay_ms: int = 0
    #: In its lane, as in `Common`.
    priority: int = 0
    #: The body is what the store holds already, sealed or not: a message that is handed back.
    as_stored: bool = False


def ack(
    keys: Keys, name: Name, state: str, *, again: Enqueued | None = None, enqueued: Sequence[Enqueued] = ()
) -> Op[ReportResult]:
    """The end of a message's run: succeeded, failed (dead), or again with a delay and its new body."""
    args: list[Any] = [*name, state, again.delay_ms if again else 0, _body(keys, again) if again else b""]
    for message in enqueued:
        args += [message.id, message.queue, message.lane, _body(keys, message), message.delay_ms, message.priority]
    return call(keys, "ack", args, lambda reply: ReportResult(text(reply)))


def _body(keys: Keys, message: Enqueued) -> bytes:
    return message.body if message.as_stored else sealed_request(keys, message.body)
