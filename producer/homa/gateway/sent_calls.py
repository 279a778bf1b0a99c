"""Calls of tools that a stream has told in pieces, and what of the reply's calls is still to be told.

The reply has the last word: what a stream lacks (an answer from the cache, a piece that was lost while the store was
away) follows at its end, and calls that are not those of the reply end it with an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

#: Kind of a call -> its field whose text comes in pieces.
TEXTS = {"function": "arguments", "custom": "input"}


class CallsDiffer(Exception):
    """The reply has other calls than were streamed."""


@dataclass(slots=True)
class SentCall:
    """One call as far as it was told."""

    index: int
    kind: str
    id: str
    name: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class CallPart:
    """What is to be told next: more of a call's text, of a new call perhaps."""

    call: SentCall
    is_new: bool
    text: str


class SentCalls:
    """The calls of one stream, in their order."""

    def __init__(self) -> None:
        self._sent: dict[int, SentCall] = {}

    def __bool__(self) -> bool:
        return bool(self._sent)

    def next(self, pieces: Sequence[Mapping[str, Any]]) -> Iterator[CallPart]:
        """What some pieces tell; of a call whose beginning is not known, nothing: the reply tells it."""
        for piece in pieces:
            index, kind = int(piece["index"]), "custom" if "custom" in piece else "function"
            part: Mapping[str, Any] = piece.get(kind) or {}
            call, text = self._sent.get(index), str(part.get(TEXTS[kind]) or "")
            is_new = call is None
            if call is None:
                # Calls are told one after another, from the first on.
                if index != len(self._sent) or not (piece.get("id") and part.get("name")):
                    continue
                yield from self._completed(index - 1)
                call = self._sent[index] = SentCall(index, kind, piece["id"], part["name"])
            if text or is_new:
                call.text += text
                yield CallPart(call, is_new, text)

    def rest(self, calls: Sequence[Mapping[str, Any]]) -> Iterator[CallPart]:
        """What of the reply's calls was not told.

        Raises:
            CallsDiffer: they are others.
        """
        if len(calls) < len(self._sent):
            raise CallsDiffer
        for index, call in enumerate(calls):
            kind = "custom" if "custom" in call else "function"
            part: Mapping[str, Any] = call.get(kind) or {}
            sent, text = self._sent.get(index), str(part.get(TEXTS[kind]) or "")
            if sent is None:
                yield from self._completed(index - 1)
                sent = self._sent[index] = SentCall(index, kind, str(call.get("id") or ""), str(part.get("name") or ""))
                sent.text = text
                yield CallPart(sent, True, text)
            elif (sent.id, sent.name) != (call.get("id"), part.get("name")):
                raise CallsDiffer
            elif more := _missing(sent.text, text):
                if index < len(self._sent) - 1:
                    # Others have begun since: nothing can be added to it.
                    raise CallsDiffer
                sent.text += more
                yield CallPart(sent, False, more)

    def _completed(self, index: int) -> Iterator[CallPart]:
        """A call without arguments, of which providers stream no text: clients read its arguments as JSON."""
        call = self._sent.get(index)
        if call is not None and call.kind == "function" and not call.text:
            call.text = "{}"
            yield CallPart(call, False, call.text)


def _missing(sent: str, whole: str) -> str:
    """What a text lacks. Spaces in JSON may differ: an adapter reads what it streams, and writes it anew."""
    if whole.startswith(sent):
        return whole[len(sent) :]
    if _read(sent) != _read(whole):
        raise CallsDiffer
    return ""


def _read(text: str) -> Any:
    try:
        return orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return text
