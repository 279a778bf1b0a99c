"""JSON Lines: one object a line; lines of an OpenAI batch file carry a request of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from homa.files.readers.lines import Text, undecodable
from homa.files.rows import BadRow, Registrar, Row, bad_row, id_text

#: The one endpoint whose batch lines can be run on any provider.
BATCH_URL = "/v1/chat/completions"
#: Beyond these orjson reads an integer as a float, which would change an id.
EXACT_BOUND = float(2**63)


def json_rows(path: str, text: Text, registrar: Registrar) -> Iterator[Row | BadRow]:
    """A row per line; blank lines are passed over, a line that is not a JSON object is a bad row."""
    empty = True
    for number, line in text.lines():
        if isinstance(line, bytes):
            if line.isspace():
                continue
            fields = parse_object(line, text.encoding)
        else:
            fields = line
        empty = False
        if isinstance(fields, str):
            yield bad_row(path, number, fields)
        elif is_batch_line(fields):
            yield batch_row(path, number, fields, registrar)
        else:
            yield registrar.admit(path, number, fields)
    if empty:
        yield bad_row(path, None, "is empty")


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
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}


def _exact(fields: dict[str, Any], line: bytes, encoding: str) -> dict[str, Any]:
    for value in fields.values():
        if type(value) is float and not -EXACT_BOUND < value < EXACT_BOUND:
            exact: dict[str, Any] = json.loads(line.decode(encoding))
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


def batch_row(path: str, line: int, fields: Mapping[str, Any], registrar: Registrar) -> Row | BadRow:
    """The row of a batch line: its body is the request as it stands."""
    body: dict[str, Any] = fields["body"]
    custom_id = id_text(fields.get("custom_id"))
    if custom_id is None:
        return bad_row(path, line, f"batch line has custom_id {fields.get('custom_id')!r:.80}: expected a string")
    fault = _batch_fault(fields, body)
    if fault:
        return BadRow(custom_id, path, line, fault)
    return registrar.admit_as(custom_id, path, line, {}, None, body)


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
