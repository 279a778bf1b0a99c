"""Turns as applications see them, and as the store keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from homa.client.management.units import time_of
from homa_shared.calls.answer_messages import answer_message
from homa_shared.calls.media import REFERENCE
from homa_shared.store.transitions.conversations import TurnRow

_STATES = {"p": "pending", "a": "answered", "f": "failed"}

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation: what was said, and what was answered."""

    #: From 1.
    number: int
    #: pending, answered or failed.
    state: str
    #: What was said, in OpenAI's shape; images and documents by reference.
    messages: Sequence[Message] = field(repr=False)
    #: Calls of tools and their results, where workers ran some, and the answer; empty without one.
    answer: Sequence[Message] = field(repr=False)
    #: Empty for a turn that was imported.
    job_id: str
    at: datetime
    ended_at: datetime | None
    #: The target that answered; empty without an answer.
    target: str = ""
    #: `kind: message` of a failed turn.
    error: str = ""

    @property
    def prompt(self) -> str:
        """Text of what was said."""
        return "\n\n".join(filter(None, map(_text, self.messages)))

    @property
    def text(self) -> str:
        """Text of the answer."""
        return _text(self.answer[-1]) if self.answer else ""

    @property
    def answered(self) -> bool:
        return self.state == "answered"

    @property
    def open_calls(self) -> list[str]:
        """Ids of tool calls in the answer, which are the application's to run."""
        calls = self.answer[-1].get("tool_calls") or () if self.answer else ()
        return [str(call.get("id")) for call in calls]


@dataclass(slots=True)
class StoredTurn:
    """A turn as it was read: parts of it may live in the blob store."""

    number: int
    row: TurnRow
    #: Messages, or a reference to them.
    messages: Any
    reply: dict[str, Any]

    @classmethod
    def of(cls, number: int, row: TurnRow) -> StoredTurn:
        messages = orjson.loads(row.messages) if row.messages else []
        return cls(number, row, messages, orjson.loads(row.reply) if row.reply else {})

    @property
    def elsewhere(self) -> list[str]:
        """Digests of what has to be fetched."""
        held = (part for part in (self.messages, self.reply.get("answer")) if isinstance(part, str))
        body = [self.reply["body_at"]] if "body_at" in self.reply else []
        return [*(part.removeprefix(REFERENCE) for part in held), *body]

    def turn(self, fetched: Mapping[str, bytes]) -> Turn:
        """The turn, given what lives elsewhere."""

        def whole(part: Any) -> Any:
            return orjson.loads(fetched[part.removeprefix(REFERENCE)]) if isinstance(part, str) else part

        state, job, at_ms, *ended = self.row.told.split(" ")
        messages, reply = whole(self.messages), self.reply
        if "body_at" in reply:
            reply = {**reply, "body": whole(reply["body_at"])}
        if "answer" in reply:
            reply = {**reply, "answer": whole(reply["answer"])}
        return Turn(
            self.number,
            _STATES[state],
            messages,
            answer_of(reply),
            "" if job == "-" else job,
            time_of(int(at_ms)),
            time_of(int(ended[0])) if ended else None,
            f"{reply['provider']}:{reply['model']}" if reply.get("provider") else "",
            _error(self.row.error),
        )


def begins_with_a_result(messages: Sequence[Message]) -> bool:
    """Whether a turn's messages tell a tool's result, which says nothing without the turn before."""
    return bool(messages) and messages[0].get("role") in ("tool", "function")


def answer_of(reply: Mapping[str, Any]) -> list[Message]:
    """The messages of a reply's envelope."""
    if "answer" in reply:
        return list(reply["answer"])
    return [*reply.get("before", ()), answer_message(reply["body"])] if "body" in reply else []


def _text(message: Message) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content or ()
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, Mapping))


def _error(envelope: bytes) -> str:
    if not envelope:
        return ""
    error = orjson.loads(envelope).get("error") or {}
    return f"{error.get('kind', 'failed')}: {error.get('message', '')}"
