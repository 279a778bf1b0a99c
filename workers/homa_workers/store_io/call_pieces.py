"""Pieces of tool calls on their way to a job's stream: what a provider tells of a call as the model writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from homa_shared.model.json_safe import valid_text
from homa_workers.providers.secrets import HiddenPieces


class CallPieces:
    """The tool calls of one call, in pieces without secrets.

    Args:
        hide: makes what takes secrets out of one text.
    """

    def __init__(self, hide: Callable[[], HiddenPieces]) -> None:
        self._hide = hide
        #: Number of a call -> its texts, by the field that they belong to.
        self._texts: dict[int, tuple[str, str, _Text]] = {}

    def shown(self, piece: dict[str, Any]) -> dict[str, Any] | None:
        """What of a piece may be told now; None for nothing."""
        index = int(piece.get("index") or 0)
        told: dict[str, Any] = {"index": index}
        told |= {name: valid_text(piece[name]) for name in ("id", "type") if isinstance(piece.get(name), str)}
        for kind, field in (("function", "arguments"), ("custom", "input")):
            said = piece.get(kind)
            if isinstance(said, dict):
                part = {"name": valid_text(said["name"])} if isinstance(said.get("name"), str) else {}
                if shown := self._text(index, kind, field, str(said.get(field) or "")):
                    part[field] = shown
                if part:
                    told[kind] = part
        return told if len(told) > 1 else None

    def end(self) -> Iterator[dict[str, Any]]:
        """What was kept back, once no more comes."""
        for index, (kind, field, text) in self._texts.items():
            if held := text.end():
                yield {"index": index, kind: {field: held}}

    def _text(self, index: int, kind: str, field: str, piece: str) -> str:
        if index not in self._texts:
            self._texts[index] = (kind, field, _Text(self._hide()))
        return self._texts[index][2].add(piece)


class _Text:
    """One text that arrives in pieces: none ends with half a letter, or with the beginning of a secret."""

    def __init__(self, hidden: HiddenPieces) -> None:
        self._hidden, self._half = hidden, ""

    def add(self, piece: str) -> str:
        text = self._half + piece
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return self._hidden.add(valid_text(text[: len(text) - len(self._half)]))

    def end(self) -> str:
        return self._hidden.add(valid_text(self._half)) + self._hidden.end()


def joined(pieces: Iterable[dict[str, Any]]) -> str:
    """Pieces as one value of the stream: JSON, those that only go on with a text put together."""
    found: list[dict[str, Any]] = []
    for piece in pieces:
        if not (found and _goes_on(found[-1], piece)):
            found.append({name: dict(value) if isinstance(value, dict) else value for name, value in piece.items()})
    return orjson.dumps(found).decode()


def _goes_on(last: dict[str, Any], piece: dict[str, Any]) -> bool:
    """Whether a piece is more of the text that the last one ends with, to which it is then added."""
    if piece.keys() - {"index", "function", "custom"} or last["index"] != piece["index"]:
        return False
    for kind, field in (("function", "arguments"), ("custom", "input")):
        if piece.get(kind, {}).keys() == {field} and kind in last:
            last[kind][field] = last[kind].get(field, "") + piece[kind][field]
            return True
    return False
