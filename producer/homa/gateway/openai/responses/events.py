"""Events of a streamed response, numbered without gaps, so that a reader may come back after any of them.

The numbers follow from the answer alone: whoever reads the same job again counts the same events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from homa.gateway.answers import event
from homa.gateway.errors import ApiError
from homa.gateway.openai.responses.document import ResponseDocument
from homa.gateway.openai.responses.output import message_id, message_item, output_of, text_part

#: What of an item is told in a piece of its own.
_PIECES = {
    "function_call": ("arguments", "response.function_call_arguments", "arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input", "input"),
}


class ResponseEvents:
    """The events of one stream.

    Args:
        document: the response as it begins.
        after: number of the last event that the reader has seen; -1 for none.
    """

    def __init__(self, document: ResponseDocument, after: int = -1) -> None:
        self._document, self._after = document, after
        self._number, self._index = 0, 0
        self._text = ""
        self._is_open = False

    def first(self) -> Iterator[bytes]:
        """What opens it."""
        for name in ("response.created", "response.in_progress"):
            yield from self._event(name, response=self._document.as_json())

    def text(self, piece: str) -> Iterator[bytes]:
        """A piece of the text."""
        if not self._is_open:
            self._is_open = True
            item = message_item(self._document.job_id, [], "in_progress")
            yield from self._event("response.output_item.added", output_index=self._index, item=item)
            yield from self._event("response.content_part.added", **self._place(), part=text_part(""))
        self._text += piece
        yield from self._event("response.output_text.delta", **self._place(), delta=str(piece), logprobs=[])

    def rest(self, body: Mapping[str, Any]) -> Iterator[bytes]:
        """What the text did not tell, and the end."""
        items = output_of(body, self._document.job_id)
        message = next((item for item in items if item["type"] == "message"), None)
        if self._is_open:
            yield from self._close(message)
        for item in items:
            if item is not message or not self._is_open:
                yield from self._whole(item)
        ended = self._document.ended(body)
        yield from self._event(f"response.{ended.status}", response=ended.as_json())

    def error(self, error: ApiError) -> Iterator[bytes]:
        """What went wrong: the official clients give events back as they are, so that the end says so, too."""
        yield from self._event("error", message=error.message, code=error.code, param=error.param)
        yield from self._event("response.failed", response=self._document.failed(error).as_json())

    def _close(self, message: Mapping[str, Any] | None) -> Iterator[bytes]:
        part = text_part(self._text)
        yield from self._event("response.output_text.done", **self._place(), text=self._text, logprobs=[])
        yield from self._event("response.content_part.done", **self._place(), part=part)
        done = message or message_item(self._document.job_id, [part])
        yield from self._event("response.output_item.done", output_index=self._index, item=done)
        self._index += 1

    def _whole(self, item: Mapping[str, Any]) -> Iterator[bytes]:
        """An item at once."""
        field, kind, told = _PIECES.get(item["type"], ("", "", ""))
        begun = {**item, field: ""} if field else item
        yield from self._event("response.output_item.added", output_index=self._index, item=begun)
        if field:
            where = {"item_id": item.get("id") or "", "output_index": self._index}
            yield from self._event(f"{kind}.delta", **where, delta=item[field])
            named = {"name": item["name"]} if field == "arguments" else {}
            yield from self._event(f"{kind}.done", **where, **{told: item[field]}, **named)
        yield from self._event("response.output_item.done", output_index=self._index, item=item)
        self._index += 1

    def _place(self) -> dict[str, Any]:
        return {"item_id": message_id(self._document.job_id), "output_index": self._index, "content_index": 0}

    def _event(self, name: str, /, **fields: Any) -> Iterator[bytes]:
        number, self._number = self._number, self._number + 1
        if number > self._after:
            yield event({"type": name, "sequence_number": number, **fields}, name)
