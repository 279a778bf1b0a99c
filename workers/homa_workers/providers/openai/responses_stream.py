"""Events of a streamed response, put together again.

Its last event is `response.completed`, `response.incomplete` or `response.failed`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Completion, Delta, Usage
from homa_shared.kinds.billing import Billing
from homa_workers.providers.error_rules import failure_of
from homa_workers.providers.openai.responses_errors import RESPONSES_RULES
from homa_workers.providers.openai.responses_items import PIECES, Item, Items
from homa_workers.providers.openai.responses_reply import completion_of, failed, is_commentary, reported
from homa_workers.providers.openai.usage import UNDESCRIBED
from homa_workers.providers.stream_assembly import NO_HEADERS, StreamAssembly
from homa_workers.providers.token_counts import NOTHING_ASKED

#: Kinds of tool call -> what Chat Completions call them, and their arguments.
_CALLS = {"function_call": ("function", "arguments"), "custom_tool_call": ("custom", "input")}


class EventAssembly(StreamAssembly):
    """A response in the making.

    Args:
        headers: of the reply.
        billing: of the server's kind.
        asked: parameters of the request.
    """

    def __init__(
        self,
        headers: Mapping[str, str] = NO_HEADERS,
        billing: Billing = UNDESCRIBED,
        asked: Mapping[str, Any] = NOTHING_ASKED,
    ) -> None:
        super().__init__(headers)
        self._billing, self._asked = billing, asked
        self._items = Items()
        #: Places of the items that call tools.
        self._calls: list[int] = []
        self._response: Item | None = None

    @property
    def has_ended(self) -> bool:
        return self._response is not None

    @property
    def text(self) -> str:
        return self._items.text

    @property
    def begun(self) -> bool:
        return bool(self._items.begun or self._items.done or self._items.text)

    def _deltas(self, event: Any) -> Iterator[Delta]:
        """Raises ProviderError where an event tells of a failure."""
        if not isinstance(event, dict):
            return
        if event.get("object") == "response":
            # A server that does not stream: this is all of it.
            event = {"type": f"response.{event.get('status')}", "response": event}
        kind = event.get("type")
        if kind in PIECES:
            yield from self._piece(str(kind), event)
            return
        match kind:
            case "response.output_item.added":
                yield from self._begin(event["output_index"], event["item"])
            case "response.output_item.done":
                self._items.done[event["output_index"]] = event["item"]
            case "response.reasoning_summary_part.added" if event.get("summary_index"):
                yield Delta(reasoning="\n\n")
            case "response.completed" | "response.incomplete":
                self._response = event["response"]
            case "response.failed":
                raise failed(event["response"], self.headers, self._billing, self._asked, self.text, begun=self.begun)
            case "error":
                raise self._failure(event)

    def completion(self) -> Completion:
        """The whole reply. Raises ProviderError (AMBIGUOUS) when the stream told no end."""
        if self._response is None:
            raise self.broken("the stream ended before its response did")
        whole = {**self._response, "output": self._items.whole(self._response.get("output") or ())}
        return completion_of(whole, self.headers, self._billing, self._asked)

    def _usage_so_far(self) -> Usage | None:
        return None if self._response is None else reported(self._response, self._billing, self._asked)

    def _begin(self, place: int, item: Item) -> Iterator[Delta]:
        self._items.begun[place] = item
        if item.get("type") in _CALLS:
            name, field = _CALLS[item["type"]]
            self._calls.append(place)
            said = {"name": item.get("name") or "", field: ""}
            index = len(self._calls) - 1
            yield Delta(tool_call={"index": index, "id": item.get("call_id"), "type": name, name: said})

    def _piece(self, kind: str, event: Item) -> Iterator[Delta]:
        piece, place = event.get("delta") or "", event.get("output_index") or 0
        if not isinstance(piece, str):
            raise TypeError(f"delta {piece!r:.80}, expected a text")
        self._items.add(kind, place, piece)
        begun = self._items.begun.get(place, {})
        match kind:
            case "response.output_text.delta":
                yield Delta(reasoning=piece) if is_commentary(begun) else Delta(piece)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                yield Delta(reasoning=piece)
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                if place in self._calls:
                    name, field = _CALLS[begun["type"]]
                    yield Delta(tool_call={"index": self._calls.index(place), name: {field: piece}})

    def _failure(self, event: Item) -> ProviderError:
        told = {name: value for name, value in event.items() if name != "type"}
        return self.failed(failure_of(None, told, self.headers), RESPONSES_RULES)
