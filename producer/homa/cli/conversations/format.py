"""Conversations and their turns as commands print them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

from homa.cli.documents.conversations import ConversationDocument, TurnDocument
from homa.cli.output import moment, number
from homa.client.conversations.info import ConversationInfo
from homa.client.conversations.turns import Turn
from homa.client.management.wording import shortened


def conversation_document(info: ConversationInfo) -> ConversationDocument:
    """One conversation for programs."""
    return {
        "conversation": info.id,
        "owner": info.owner or None,
        "tenant": info.tenant or None,
        "turns": info.turns,
        "pending": info.pending,
        "model": info.model,
        "bytes": info.bytes,
        "created_at": info.created_at.isoformat(),
        "used_at": info.used_at.isoformat(),
        "branch_of": info.branch_of,
        "branched_at": info.branched_at,
        "system": info.system,
        "window": orjson.loads(info.window.encode() or "{}") if info.window else None,
        "summed": info.summed,
    }


def turn_document(turn: Turn) -> TurnDocument:
    """One turn for programs."""
    return {
        "number": turn.number,
        "state": turn.state,
        "job": turn.job_id or None,
        "target": turn.target or None,
        "at": turn.at.isoformat(),
        "ended_at": turn.ended_at.isoformat() if turn.ended_at else None,
        "messages": list(turn.messages),
        "answer": list(turn.answer),
        "error": turn.error or None,
    }


def conversation_facts(info: ConversationInfo) -> Iterator[tuple[str, str]]:
    """Names and values for people."""
    yield "conversation", info.id
    yield "owner", info.owner
    yield "tenant", info.tenant
    yield "turns", number(info.turns) + (", the last of which waits" if info.pending else "")
    yield "size", f"{number(info.bytes)} bytes"
    yield "model", info.model or ""
    yield "system", shortened(info.system or "")
    yield "window", info.window.encode() if info.window else ""
    yield "summary", f"of {info.summed} turns" if info.summed else ""
    yield "branch of", f"{info.branch_of} at {info.branched_at}" if info.branch_of else ""
    yield "created", moment(info.created_at)
    yield "used", moment(info.used_at)


def turn_rows(turns: Sequence[Turn]) -> list[tuple[str, ...]]:
    return [
        (
            str(turn.number),
            turn.state,
            moment(turn.at),
            turn.target,
            shortened(turn.prompt),
            shortened(turn.text or turn.error),
        )
        for turn in turns
    ]
