"""Items of a streamed response, as its events bring them: announced, written piece by piece, ended, told at the end.

OpenAI tells each item three times. Servers that imitate it leave some of that out: what was written stands, whatever
the last event's output says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Item = dict[str, Any]

#: Events that bring a piece of what was written -> the type of item that it belongs to.
PIECES = {
    "response.output_text.delta": "message",
    "response.refusal.delta": "message",
    "response.function_call_arguments.delta": "function_call",
    "response.custom_tool_call_input.delta": "custom_tool_call",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
}


class Items:
    """The items of a response in the making."""

    def __init__(self) -> None:
        #: By their place in the output: as they were announced, and as they ended.
        self.begun: dict[int, Item] = {}
        self.done: dict[int, Item] = {}
        #: Pieces by the place and the type of their item, then by their event.
        self._written: dict[tuple[int, str], dict[str, list[str]]] = {}
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """All that was written, in the order of its pieces."""
        return "".join(self._pieces)

    def add(self, kind: str, place: int, piece: str) -> None:
        """Takes a piece in."""
        self._pieces.append(piece)
        self._written.setdefault((place, PIECES[kind]), {}).setdefault(kind, []).append(piece)

    def whole(self, told: Sequence[object]) -> list[Item]:
        """The items as they ended: only there encrypted reasoning is sure to be whole.

        Args:
            told: the output that the last event tells.
        """
        items = {n: item for n, item in enumerate(told) if isinstance(item, dict)} | self.done
        for (place, of_type), written in self._written.items():
            at = self._place_of(items, place, of_type)
            if at is not None:
                begun = self.begun.get(at, {})
                item = items.get(at) or (begun if begun.get("type") == of_type else {})
                # Arguments of a call that nobody has named are of no use.
                if item or of_type in ("message", "reasoning"):
                    items[at] = _filled({"type": of_type, **item}, written)
        return [items[place] for place in sorted(items)]

    def _place_of(self, items: Mapping[int, Item], place: int, of_type: str) -> int | None:
        """Where the item stands that pieces belong to; None where another one of its type says what they were of."""
        if place not in items or items[place].get("type") == of_type:
            return place
        # Not every server tells the place.
        return None if any(item.get("type") == of_type for item in items.values()) else max(items) + 1


def _filled(item: Item, written: Mapping[str, list[str]]) -> Item:
    """An item with what its pieces come to, where it does not say so itself."""
    texts = {kind: "".join(pieces) for kind, pieces in written.items()}
    match item["type"]:
        case "message" if not item.get("content"):
            return {**item, "content": list(_parts(texts))}
        case "function_call" if not item.get("arguments"):
            return {**item, "arguments": "".join(texts.values())}
        case "custom_tool_call" if not item.get("input"):
            return {**item, "input": "".join(texts.values())}
        case "reasoning" if not (item.get("summary") or item.get("content")):
            return {**item, "summary": [{"type": "summary_text", "text": "".join(texts.values())}]}
    return item


def _parts(texts: Mapping[str, str]) -> Iterator[Item]:
    if text := texts.get("response.output_text.delta"):
        yield {"type": "output_text", "text": text, "annotations": []}
    if refusal := texts.get("response.refusal.delta"):
        yield {"type": "refusal", "refusal": refusal}
