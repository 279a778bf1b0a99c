"""How servers that imitate OpenAI's chat completions differ from it: an accent, ordered by `[[accent:NAME]]`.

```
parts        content as a list of parts, with the model's thoughts among them        loose     a stream with CRLF,
one_index    all calls of tools with index 0       no_index   without an index                 comments, empty events,
objects      arguments of tools as objects, each call in one chunk                             no blank line at its end
sourced      citations and thoughts under names of its own                           fenced    JSON in a code fence
unstreamed   a stream that comes as one whole reply                                  thinking  <think>…</think> first
```
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from homa_workers.simulator.wire import invalid

_ORDER = re.compile(r"\[\[accent:(\w{1,40})\]\]")
THOUGHT = "Let me think."
SOURCES = ["https://example.com/a", "https://example.com/b"]

Body = dict[str, Any]


def accent_of(text: str) -> str:
    """The accent that a prompt orders; empty for none. Raises Failure (INVALID) for an unknown one."""
    found = _ORDER.search(text) if "[[accent:" in text else None
    if found is None:
        return ""
    if found[1] not in NAMES:
        raise invalid(f"in marker {found[0]}: expected one of {', '.join(NAMES)}")
    return found[1]


def spoken(accent: str, text: str) -> str:
    """What the model says in an accent of its own words."""
    match accent:
        case "fenced":
            return f"```json\n{text}\n```"
        case "thinking":
            return f"<think>\n{THOUGHT}\n</think>\n\n{text}"
    return text


def whole(accent: str, body: Body) -> Body:
    """A reply in an accent."""
    for choice in body["choices"]:
        _MESSAGES.get(accent, _unchanged)(choice["message"])
    return body | ({"citations": SOURCES} if accent == "sourced" else {})


def chunks(accent: str, said: Sequence[Body]) -> list[Body]:
    """The chunks of a streamed reply in an accent."""
    for number, chunk in enumerate(said):
        for choice in chunk["choices"]:
            _DELTAS.get(accent, _unchanged)(choice["delta"])
            if accent == "sourced" and number == 0:
                choice["delta"]["reasoning"] = THOUGHT
        if accent == "sourced":
            chunk["citations"] = SOURCES
    return list(said)


def written(accent: str, events: Sequence[bytes]) -> list[bytes]:
    """The events of a stream, as a server of an accent puts them on the wire."""
    if accent != "loose" or not events:
        return list(events)
    *most, last = (event.replace(b"data: ", b"data:").replace(b"\n", b"\r\n") for event in events)
    return [
        b"\xef\xbb\xbf: hello\r\n\r\n" + most[0],
        *(b": ping\r\n\r\ndata:\r\n\r\n" + m for m in most[1:]),
        last.strip(),
    ]


def _unchanged(message: Body) -> None:
    """Most accents differ in one kind of reply."""


def _in_parts(message: Body) -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}
    if message.get("content"):
        message["content"] = [thought, {"type": "text", "text": message["content"]}]


def _parts_of_delta(delta: Body) -> None:
    thought = [{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}]
    if "role" in delta:
        delta["content"] = thought
    elif isinstance(delta.get("content"), str):
        delta["content"] = [{"type": "text", "text": delta["content"]}]


def _thoughts_apart(message: Body) -> None:
    message["reasoning"] = THOUGHT


def _at_one_index(delta: Body) -> None:
    for call in delta.get("tool_calls") or ():
        call["index"] = 0


def _without_index(delta: Body) -> None:
    for call in delta.get("tool_calls") or ():
        call.pop("index", None)


def _as_objects(message: Body) -> None:
    for call in message.get("tool_calls") or ():
        if text := call["function"].get("arguments"):
            call["function"]["arguments"] = orjson.loads(text)


_MESSAGES: Mapping[str, Callable[[Body], None]] = {
    "parts": _in_parts,
    "objects": _as_objects,
    "sourced": _thoughts_apart,
}
_DELTAS: Mapping[str, Callable[[Body], None]] = {
    "parts": _parts_of_delta,
    "one_index": _at_one_index,
    "no_index": _without_index,
    "objects": _as_objects,
}
NAMES = ("parts", "one_index", "no_index", "objects", "sourced", "unstreamed", "loose", "fenced", "thinking")
