"""JSON Lines: one object a line; lines of an OpenAI batch file carry a request of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from homa.files.readers.content import Head
from homa.files.readers.document import Document, Fault, Found, Opened, ReadOptions
from homa.files.readers.lines import Text, undecodable
from homa.files.rows import id_text

#: The one endpoint whose batch lines can be run on any provider.
BATCH_URL = "/v1/chat/completions"
#: Beyond these orjson reads an integer as a float, which would change an id.
EXACT_BOUND = float(2**63)
SUFFIXES = (".jsonl", ".ndjson")
#: What starts like this and has no name that tells more is taken for JSON Lines.
_START = re.compile(r"\A\s*\{[ \t]*\"")
#: Names under which others write JSON Lines too; there two lines have to be objects.
_LOOSE_SUFFIXES = (".json", "")


class JsonlReader:
    """A row per line."""

    name = "jsonl"
    needs: tuple[str, ...] = ()
    isolated = False
    seeks = False
    markup = False

    def claims(self, head: Head) -> bool:
        if head.suffix in SUFFIXES:
            return head.has_rows
        if head.nameless:
            return head.has_rows and _START.match(head.text) is not None
        return head.suffix in _LOOSE_SUFFIXES and head.binary is None and _two_objects(head.text)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        """Blank lines are passed over, a line that is not a JSON object is a fault."""
        text = Text.of(opened.stream, options.encoding or "utf-8")
        empty = True
        for number, line in text.lines():
            if isinstance(line, bytes):
                if line.isspace():
                    continue
                fields = parse_object(line, text.encoding)
            else:
                fields = line
            empty = False
            yield row_of(fields, number)
        if empty:
            yield Fault("is empty")


def _two_objects(text: str) -> bool:
    lines = [line for line in text[:-1].split("\n", 8) if line.strip()][:2] if text else []
    return len(lines) == 2 and all(line.lstrip().startswith("{") for line in lines) and _is_object(lines[0])


def _is_object(line: str) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def row_of(fields: dict[str, Any] | str, line: int) -> Document | Fault:
    """An object as a row, or what is wrong with it."""
    if isinstance(fields, str):
        return Fault(fields, line)
    if is_batch_line(fields):
        return batch_row(line, fields)
    return Document(None, fields, line)


def parse_object(line: bytes, encoding: str) -> dict[str, Any] | str:
    """The object on a line, or what is wrong with the line."""
    try:
        value = orjson.loads(line if encoding == "utf-8" else line.decode(encoding))
        if type(value) is not dict:
            return f"is {JSON_NAMES[type(value)]}: expected a JSON object, {{…}}"
        return _exact(value, line, encoding)
    except UnicodeDecodeError as error:
        return undecodable(error)
    except orjson.JSONDecodeError as error:
        return _complaint(line, encoding, error)


#: What JSON calls the values that Python calls otherwise.
JSON_NAMES = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}


def _exact(fields: dict[str, Any], line: bytes, encoding: str) -> dict[str, Any] | str:
    for value in fields.values():
        if type(value) is float and not -EXACT_BOUND < value < EXACT_BOUND:
            try:
                exact: dict[str, Any] = json.loads(line.decode(encoding))
            except RecursionError:
                return "nests too deep"
            return exact
    return fields


def _complaint(line: bytes, encoding: str, error: orjson.JSONDecodeError) -> str:
    try:
        line.decode(encoding)
    except UnicodeDecodeError as fault:
        return undecodable(fault)
    return f"is not valid JSON: {error.msg} at column {error.colno}"


def is_batch_line(fields: Mapping[str, Any]) -> bool:
    """Whether a line is one of an OpenAI batch file."""
    return "body" in fields and type(fields["body"]) is dict and "url" in fields and "method" in fields


def batch_row(line: int, fields: Mapping[str, Any]) -> Document | Fault:
    """The row of a batch line: its body is the request as it stands."""
    body: dict[str, Any] = fields["body"]
    custom_id = id_text(fields.get("custom_id"))
    if custom_id is None:
        return Fault(f"batch line has custom_id {fields.get('custom_id')!r:.80}: expected a string", line)
    fault = _batch_fault(fields, body)
    if fault:
        return Fault(fault, line, custom_id=custom_id)
    return Document(line=line, request=body, custom_id=custom_id)


def _batch_fault(fields: Mapping[str, Any], body: Mapping[str, Any]) -> str | None:
    if fields["method"] != "POST":
        return f"batch line has method {fields['method']!r:.80}: expected 'POST'"
    if fields["url"] != BATCH_URL:
        return f"batch line has url {fields['url']!r:.80}: expected {BATCH_URL!r}"
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        return f"batch line has body.messages {messages!r:.80}: expected a list of messages, at least one"
    if not isinstance(body.get("model", ""), str):
        return f"batch line has body.model {body['model']!r:.80}: expected a string"
    return None
