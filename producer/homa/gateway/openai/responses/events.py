"""Events of a streamed response, numbered without gaps, so that a reader may come back after any of them.

The numbers follow from the answer alone: whoever reads the same job again counts the same events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from homa.gateway.answers import event
from homa.gateway.errors import ApiError
from homa.gateway.openai.responses.document import ResponseDocument
from homa.gateway.openai.responses.output import call_id, message_id, message_item, output_of, text_part
from homa.gateway.sent_calls import CallPart, SentCall

#: What of an item is told in a piece of its own.
_PIECES = {
    "function_call": ("arguments", "response.function_call_arguments", "arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input", "input"),
}
#: Kind of a call in chat completions -> its type here.
_TYPES = {"function": "function_call", "custom": "custom_tool_call"}


def _is_empty(item: Mapping[str, Any]) -> bool:
    """Whether it is the message of an answer that consists of calls alone."""
    return bool(item["type"] == "message" and not item.get("content"))


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
        #: What is being told: the message, or a call.
        self._open: SentCall | Literal["message"] | None = None
        self._told_message = self._told_calls = False

    def first(self) -> Iterator[bytes]:
        """What opens it."""
        for name in ("response.created", "response.in_progress"):
            yield from self._event(name, response=self._document.as_json())

    def text(self, piece: str) -> Iterator[bytes]:
        """A piece of the text."""
        if self._open != "message":
            yield from self._close_call()
            self._open, self._told_message = "message", True
            item = message_item(self._document.job_id, [], "in_progress")
            yield from self._event("response.output_item.added", output_index=self._index, item=item)
            yield from self._event("response.content_part.added", **self._place(), part=text_part(""))
        self._text += piece
        yield from self._event("response.output_text.delta", **self._place(), delta=str(piece), logprobs=[])

    def call(self, part: CallPart) -> Iterator[bytes]:
        """A piece of a call of a tool."""
        call = part.call
        if part.is_new:
            self._told_calls = True
            yield from self._close_call() if self._open != "message" else self._close(None)
            self._open = call
            yield from self._event("response.output_item.added", output_index=self._index, item=self._item(call, ""))
        if part.text:
            _, kind, _ = _PIECES[_TYPES[call.kind]]
            where = {"item_id": call_id(self._document.job_id, call.index), "output_index": self._index}
            yield from self._event(f"{kind}.delta", **where, delta=part.text)

    def rest(self, body: Mapping[str, Any]) -> Iterator[bytes]:
        """What was not told, and the end."""
        items = output_of(body, self._document.job_id)
        message = next((item for item in items if item["type"] == "message"), None)
        yield from self._close(message) if self._open == "message" else self._close_call()
        for item in items:
            told = self._told_message if item is message else self._told_calls and item["type"] in _PIECES
            if not told and not (self._told_calls and _is_empty(item)):
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
        self._index, self._open = self._index + 1, None

    def _close_call(self) -> Iterator[bytes]:
        if not isinstance(self._open, SentCall):
            return
        item = self._item(self._open, self._open.text)
        yield from self._done(item)
        self._open = None

    def _item(self, call: SentCall, text: str) -> dict[str, Any]:
        kind = _TYPES[call.kind]
        field, _, _ = _PIECES[kind]
        status = "completed" if text else "in_progress"
        told = {"id": call_id(self._document.job_id, call.index), "call_id": call.id, "status": status}
        return {**told, "type": kind, "name": call.name, field: text}

    def _done(self, item: Mapping[str, Any]) -> Iterator[bytes]:
        """The end of a call."""
        field, kind, told = _PIECES[item["type"]]
        where = {"item_id": item.get("id") or "", "output_index": self._index}
        named = {"name": item["name"]} if field == "arguments" else {}
        yield from self._event(f"{kind}.done", **where, **{told: item[field]}, **named)
        yield from self._event("response.output_item.done", output_index=self._index, item=item)
        self._index += 1

    def _whole(self, item: Mapping[str, Any]) -> Iterator[bytes]:
        """An item at once."""
        field, kind, _ = _PIECES.get(item["type"], ("", "", ""))
        begun = {**item, field: ""} if field else item
        yield from self._event("response.output_item.added", output_index=self._index, item=begun)
        if field:
            where = {"item_id": item.get("id") or "", "output_index": self._index}
            yield from self._event(f"{kind}.delta", **where, delta=item[field])
            yield from self._done(item)
            return
        yield from self._event("response.output_item.done", output_index=self._index, item=item)
        self._index += 1

    def _place(self) -> dict[str, Any]:
        return {"item_id": message_id(self._document.job_id), "output_index": self._index, "content_index": 0}

    def _event(self, name: str, /, **fields: Any) -> Iterator[bytes]:
        number, self._number = self._number, self._number + 1
        if number > self._after:
            yield event({"type": name, "sequence_number": number, **fields}, name)
