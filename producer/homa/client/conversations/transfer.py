"""Conversations written down for others, and read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import orjson

from homa.client.conversations.flows import Settled
from homa.client.conversations.reading import all_turns, fetch
from homa.client.conversations.refusals import checked_id, checked_owner, not_found
from homa.client.conversations.turns import Turn
from homa.client.conversations.window import Window
from homa.client.management.units import ms_of, ms_of_known
from homa.drivers.effects import Flow, ask_patiently
from homa.submit.encoded_messages import Prepared
from homa.submit.option_checks import wrong
from homa.submit.submitter import Submitter
from homa_shared.calls.media import references, restored
from homa_shared.calls.message_checks import check_messages
from homa_shared.model.constants import CONVERSATION_BYTES, MOST_TURNS
from homa_shared.model.errors import ConversationFull, InvalidRequest, StoreUnavailable
from homa_shared.model.ids import new_nonce
from homa_shared.store.keys import Keys
from homa_shared.store.reads.conversations import ConversationFacts
from homa_shared.store.transitions.conversations import (
    IMPORTED_AT_ONCE,
    IMPORTED_BYTES,
    Owner,
    TurnRow,
    import_conversation,
    import_turns,
)

Format: TypeAlias = Literal["json", "markdown"]

_VERSION = 1
_MARKS = {"answered": "a", "failed": "f"}
#: The last moment that a `datetime` tells, ms since 1970.
_LATEST_MS = 253_402_300_799_999


def export(keys: Keys, found: str, owner: Owner | None, form: str) -> Flow[str]:
    """A conversation as text: JSON holds all of it, images and documents, too; Markdown what people read.

    Raises:
        InvalidRequest: there is no such format.
        ConversationNotFound, ConversationForbidden
        PartGone: an image or a document is nowhere to be found.
    """
    if form not in ("json", "markdown"):
        raise InvalidRequest(f"format is {form!r:.80}: expected json or markdown")
    read = yield from all_turns(keys, found, owner)
    if read is None:
        raise not_found(found)
    page, turns = read
    if form == "markdown":
        return _markdown(page.facts, turns)
    shown = yield from fetch(keys, [digest for turn in turns for digest in references([*turn.messages, *turn.answer])])
    return orjson.dumps(_document(page.facts, turns, shown), option=orjson.OPT_INDENT_2).decode()


def _document(facts: ConversationFacts, turns: Sequence[Turn], shown: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "conversation": facts.id,
        "version": _VERSION,
        "owner": facts.owner.name,
        "tenant": facts.owner.tenant,
        "system": facts.system,
        "model": facts.model,
        "window": orjson.loads(facts.window) if facts.window else None,
        "max_turns": facts.most_turns or None,
        "turns": [
            {
                "number": turn.number,
                "state": turn.state,
                "at_ms": ms_of(turn.at),
                "ended_ms": ms_of_known(turn.ended_at),
                "job": turn.job_id or None,
                "target": turn.target or None,
                "messages": restored(turn.messages, shown),
                "answer": restored(turn.answer, shown),
                "error": turn.error or None,
            }
            for turn in turns
        ],
    }


def _markdown(facts: ConversationFacts, turns: Sequence[Turn]) -> str:
    parts = [f"# Conversation {facts.id}"]
    if facts.system:
        parts.append(f"## System\n\n{facts.system}")
    for turn in turns:
        parts.append(f"## {turn.number}. User, {turn.at:%Y-%m-%d %H:%M} UTC\n\n{turn.prompt}")
        if turn.answered:
            parts.append(f"### {turn.target or 'Assistant'}\n\n{turn.text}")
        else:
            parts.append(f"### {turn.state}\n\n{turn.error}".rstrip())
    return "\n\n".join(parts) + "\n"


def import_text(
    submitter: Submitter, text: str | bytes, new: str | None, owner: str | None, tenant: str | None
) -> Flow[tuple[str, Owner]]:
    """Puts an exported conversation in the store; returns its id and owner. Turns without an end are left out.

    Args:
        text: JSON, as `export` writes it.
        new: its id; None: as it had.
        owner, tenant: whose it is to be; None: as it was.

    Raises:
        InvalidRequest: it is no such text, or its id is taken.
        ConversationFull: it is too large.
    """
    told = _read(text)
    name = checked_id("id", told.get("conversation") if new is None else new)
    owner, tenant = (told.get(key) if given is None else given for key, given in (("owner", owner), ("tenant", tenant)))
    whose = checked_owner(owner, tenant)
    facts = _facts(told, whose)
    uploads = _Uploads(submitter, name)
    rows = [uploads.row(place, turn) for place, turn in enumerate(told["turns"]) if _has_ended(place, turn)]
    if not rows:
        raise InvalidRequest(f"conversation {name} has no turn that has ended: expected one at least")
    size = sum(len(row.messages) + len(row.reply) + len(row.error) for row in rows)
    if len(rows) > MOST_TURNS or size > CONVERSATION_BYTES:
        raise ConversationFull(
            f"conversation {name} has {len(rows):,} turns of {size:,} bytes: expected at most {MOST_TURNS:,} turns and "
            f"{CONVERSATION_BYTES:,} bytes"
        )
    yield from uploads.send()
    yield from _put(submitter.keys, name, rows, facts)
    return name, whose


def _put(keys: Keys, name: str, rows: Sequence[TurnRow], facts: Mapping[str, str]) -> Flow[None]:
    """Puts turns in the store, part by part, and makes a conversation of them in one step."""
    imported, size, first = f"{name}~{new_nonce()}", 0, 0
    while first < len(rows):
        part = _part(rows, first)
        size += yield from ask_patiently(import_turns(keys, imported, first + 1, part))
        first += len(part)
    op = import_conversation(keys, name, imported, len(rows), size, facts)
    answer = yield from ask_patiently(op)
    if answer == "gone":
        raise StoreUnavailable(
            f"the store was away for too long while conversation {name} was imported: import it again"
        )
    if answer != "ok":
        raise InvalidRequest(f"id is {name!r}, which another conversation has: expected a new one")


def _part(rows: Sequence[TurnRow], first: int) -> Sequence[TurnRow]:
    """As many of the rows as one script takes."""
    size, last = 0, first
    while last < len(rows) and last - first < IMPORTED_AT_ONCE and (size < IMPORTED_BYTES or last == first):
        size += len(rows[last].messages) + len(rows[last].reply) + len(rows[last].error)
        last += 1
    return rows[first:last]


class _Uploads:
    """Rows of turns, and what has to be uploaded with them."""

    def __init__(self, submitter: Submitter, conversation: str) -> None:
        self._keys, self._uploads = submitter.keys, submitter.uploads()
        self._user = self._keys.turns(conversation).removeprefix(self._keys.prefix)

    def send(self) -> Flow[None]:
        return self._uploads.send(self._keys)

    def row(self, place: int, turn: Mapping[str, Any]) -> TurnRow:
        at, ended = (_moment(place, turn, name) for name in ("at_ms", "ended_ms"))
        said = self._kept(place, turn, "messages")
        row = TurnRow(f"{_MARKS[turn['state']]} - {at} {ended}", said)
        if turn["state"] == "failed":
            kind, _, message = (_text(place, turn, "error") or "failed").partition(": ")
            return replace(row, error=orjson.dumps({"error": {"kind": kind, "message": message}}))
        provider, _, model = _text(place, turn, "target").partition(":")
        told = orjson.dumps({"provider": provider, "model": model})
        return replace(row, reply=b'{"answer":%b,%b' % (self._kept(place, turn, "answer"), told[1:]))

    def _kept(self, place: int, turn: Mapping[str, Any], name: str) -> bytes:
        """Messages as they are stored."""
        try:
            prepared = Prepared.of(check_messages(turn.get(name)))
        except InvalidRequest as error:
            raise InvalidRequest(f"turns[{place}].{name}: {error}") from error
        kept = self._uploads.keep(self._user, prepared)
        return kept.stored or kept.json


def _read(text: str | bytes) -> dict[str, Any]:
    expected = "expected what export writes as JSON"
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the text is no exported conversation ({error}): {expected}") from error
    turns = told.get("turns") if isinstance(told, dict) else None
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, dict) for turn in turns):
        raise InvalidRequest(f"the text is no exported conversation, for it has no list of turns: {expected}")
    found: dict[str, Any] = told
    if found.get("version") != _VERSION:
        raise InvalidRequest(f"version is {found.get('version')!r:.40}: expected {_VERSION}")
    return found


def _has_ended(place: int, turn: Mapping[str, Any]) -> bool:
    state = turn.get("state")
    if state not in (*_MARKS, "pending"):
        raise wrong(f"turns[{place}].state", state, f"{', '.join(_MARKS)} or pending")
    return state in _MARKS


def _moment(place: int, turn: Mapping[str, Any], name: str) -> int:
    at_ms = turn.get(name) or 0
    if not isinstance(at_ms, int) or not 0 <= at_ms <= _LATEST_MS:
        raise wrong(f"turns[{place}].{name}", at_ms, "whole milliseconds since 1970")
    return int(at_ms)


def _text(place: int, turn: Mapping[str, Any], name: str) -> str:
    text = turn.get(name) or ""
    if not isinstance(text, str):
        raise wrong(f"turns[{place}].{name}", text, "text")
    return text


def _facts(told: Mapping[str, Any], owner: Owner) -> dict[str, str]:
    """What is stored of it beside its turns."""
    window, model = told.get("window") or None, told.get("model") or None
    if window is not None and not isinstance(window, Mapping):
        raise wrong("window", window, "what export writes of a Window")
    read = None if window is None else Window.decode(orjson.dumps(window).decode())
    settled = Settled.checked(told.get("system") or None, model, read, told.get("max_turns"))
    return {"owner": owner.name, "tenant": owner.tenant, **settled.facts()} | ({"model": model} if model else {})
