"""Conversations as a listing shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from homa.client.conversations.window import Window
from homa.client.management.units import time_of
from homa.client.management.wording import number, one_line
from homa.drivers.effects import Flow, ask_patiently
from homa_shared.store.keys import Keys
from homa_shared.store.reads.conversations import ConversationFacts, conversations

_PAGE = 200


@dataclass(frozen=True, slots=True)
class ConversationInfo:
    """A conversation, but for its turns."""

    id: str
    owner: str
    tenant: str
    #: Number of its turns, failed ones included; `expect_turn` of the next one.
    turns: int
    #: Whether the last of them waits for its answer.
    pending: bool
    #: Of the turn before; None before the first.
    model: str | None
    created_at: datetime
    used_at: datetime
    #: The conversation that it branched off from, behind turn `branched_at`.
    branch_of: str | None
    branched_at: int | None
    #: Of messages and replies.
    bytes: int
    #: These three are not known of listed ones.
    system: str | None = None
    window: Window | None = None
    #: Turns that its summary is of.
    summed: int = 0

    @classmethod
    def of(cls, facts: ConversationFacts) -> ConversationInfo:
        return cls(
            id=facts.id,
            owner=facts.owner.name,
            tenant=facts.owner.tenant,
            turns=facts.turns,
            pending=facts.pending > 0,
            model=facts.model or None,
            created_at=time_of(facts.created_ms),
            used_at=time_of(facts.used_ms),
            branch_of=facts.branch_of or None,
            branched_at=facts.branched_at or None,
            bytes=facts.bytes,
            system=facts.system or None,
            window=Window.decode(facts.window) if facts.window else None,
            summed=facts.summed,
        )

    def __str__(self) -> str:
        facts = [
            f"{self.id} {number(self.turns)} turns",
            "the last is pending" if self.pending else "",
            f"tenant {self.tenant}" if self.tenant else "",
            f"owner {self.owner}" if self.owner else "",
            f"branch of {self.branch_of} at {self.branched_at}" if self.branch_of else "",
        ]
        return one_line(facts)


def list_conversations(
    keys: Keys, owner: str | None, tenant: str | None, limit: int | None
) -> Flow[list[ConversationInfo]]:
    """Conversations by their last use, the latest first; None of what is asked for: all."""
    found: list[ConversationInfo] = []
    start = 0
    while limit is None or len(found) < limit:
        page, seen = yield from ask_patiently(conversations(keys, start=start, count=_PAGE))
        found += [
            ConversationInfo.of(facts)
            for facts in page
            if owner in (None, facts.owner.name) and tenant in (None, facts.owner.tenant)
        ]
        start += seen
        if seen < _PAGE:
            break
    return found[:limit]
