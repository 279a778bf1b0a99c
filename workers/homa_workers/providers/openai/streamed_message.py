"""A message whose deltas are put together: texts grow, calls of tools are told apart, and all else is merged."""

from __future__ import annotations

from typing import Any

import orjson

from homa_workers.providers.openai.imitations import arguments_text

Body = dict[str, Any]

#: Texts that name something: they are told again, and do not grow.
_NAMES = frozenset({"id", "type", "role", "name", "format", "model", "object", "signature", "url", "title"})


class Text(list[str]):
    """A text in pieces: adding one takes no copy of what is there."""

    def __str__(self) -> str:
        return "".join(self)


def merge(kept: Body, piece: Body) -> None:
    """Adds what a delta brings: texts and lists grow, objects are merged, all else is told anew."""
    for name, value in piece.items():
        if value is not None:
            kept[name] = _merged(name, kept.get(name), value)


def finished(value: Any) -> Any:
    """What was merged, with its texts whole."""
    match value:
        case Text():
            return str(value)
        case dict():
            return {name: finished(inner) for name, inner in value.items()}
        case list():
            return [finished(inner) for inner in value]
    return value


def _merged(name: str, had: Any, value: Any) -> Any:
    match value:
        case str() if name not in _NAMES:
            text = had if isinstance(had, Text) else Text()
            text.append(value)
            return text
        case list():
            return _joined(had if isinstance(had, list) and not isinstance(had, Text) else [], value)
        case dict():
            own = had if isinstance(had, dict) else {}
            merge(own, value)
            return own
    return value


def _joined(had: list[Any], more: list[Any]) -> list[Any]:
    """A list and what is added to it; an entry of the same type and index as the last one goes on from it."""
    for entry in more:
        if not isinstance(entry, dict):
            had.append(entry)
        elif had and _goes_on(had[-1], entry):
            merge(had[-1], entry)
        else:
            had.append({})
            merge(had[-1], entry)
    return had


def _goes_on(last: Any, entry: Body) -> bool:
    return (
        isinstance(last, dict)
        and entry.get("index") is not None
        and (last.get("index"), last.get("type")) == (entry["index"], entry.get("type"))
    )


class ToolCalls:
    """Calls of tools in the making.

    OpenAI gives each an index, and tells id and name once. Others leave the index out, give all calls the same one, or
    repeat id and name in each piece; so an id that was not heard of yet, together with a name, begins a new call.

    Args:
        stand_in: the beginning of ids for calls that the server gives none.
    """

    def __init__(self, stand_in: str) -> None:
        self._stand_in = stand_in
        self._calls: list[_ToolCall] = []
        #: The latest call of each index, and each id's.
        self._by_index: dict[int, int] = {}
        self._by_id: dict[str, int] = {}

    @property
    def text(self) -> str:
        return "".join(str(call.written) for call in self._calls)

    def whole(self) -> list[Body]:
        seen: set[str] = set()
        return [call.whole(f"{self._stand_in}_{number}", seen) for number, call in enumerate(self._calls)]

    def add(self, piece: Body) -> Body:
        """Takes a piece in, and gives it in OpenAI's shape."""
        kind, field = ("custom", "input") if "custom" in piece else ("function", "arguments")
        told = piece.get(kind) or {}
        name, more = told.get("name") or "", arguments_text(told.get(field))
        place = self._place_of(piece.get("index"), piece.get("id") or "", name)
        if place == len(self._calls):
            self._calls.append(_ToolCall(kind, field, piece.get("index")))
        self._calls[place].grow(piece, name, more)
        return {**piece, "index": place, kind: {**told, field: more}}

    def _place_of(self, index: int | None, call_id: str, name: str) -> int:
        place = self._by_id.get(call_id)
        if place is not None and name and index is not None and self._calls[place].index not in (None, index):
            # Not every server's ids are unique.
            place = self._by_index.get(index, len(self._calls))
        if place is None:
            place = len(self._calls) - 1 if index is None else self._by_index.get(index, -1)
            if place < 0 or self._calls[place].is_another(call_id, name):
                place = len(self._calls)
        if index is not None:
            self._by_index[index] = place
        if call_id:
            self._by_id[call_id] = place
        return place


class _ToolCall:
    def __init__(self, kind: str, field: str, index: int | None) -> None:
        self._kind, self._field = kind, field
        #: As the server numbers it.
        self.index = index
        self._name, self.id = "", ""
        self._others: Body = {}
        self.written = Text()

    def is_another(self, call_id: str, name: str) -> bool:
        """Whether a piece with this id and name, which may be empty, begins another call."""
        if not name or not self._name:
            return False
        return bool(call_id and self.id) or name != self._name or _is_object(str(self.written))

    def grow(self, piece: Body, name: str, more: str) -> None:
        self.id = self.id or piece.get("id") or ""
        self._name = self._name or name
        self.written.append(more)
        merge(self._others, {key: value for key, value in piece.items() if key not in _OWN})

    def whole(self, stand_in: str, seen: set[str]) -> Body:
        """The call; its id is none of those that were seen, to which it is added."""
        told = {"name": self._name, self._field: str(self.written)}
        call_id = stand_in if not self.id or self.id in seen else self.id
        seen.add(call_id)
        return {"id": call_id, "type": self._kind, self._kind: told, **finished(self._others)}


_OWN = frozenset({"id", "index", "type", "function", "custom"})


def _is_object(text: str) -> bool:
    try:
        return text.endswith("}") and isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False
