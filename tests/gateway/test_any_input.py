"""Good requests with any part made wrong: the answer is an error of the API's own shape, and never a 500."""

from __future__ import annotations

import base64
import copy
import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.conftest import CLAUDE, Cell
from tests.gateway.test_batches import create, ended, line, rows
from tests.gateway.test_openai_chat import PIXEL
from tests.gateway.wire import JSON, post

DATA = base64.b64encode(PIXEL).decode()
URL = f"data:image/png;base64,{DATA}"
IMAGE = {"type": "image_url", "image_url": {"url": URL}}
SHOWN = {"type": "input_image", "image_url": URL}
OBJECT: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
FUNCTION = {"name": "f", "parameters": OBJECT}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USE = {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "r"}], "is_error": True}
SOURCE = {"type": "base64", "media_type": "image/png", "data": DATA}
GOOD: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": "cheap",
        "max_tokens": 20,
        "stop": ["x"],
        "metadata": {"a": "b"},
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": "s"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": URL}}],
            },
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c", "content": "r"},
        ],
        "tools": [{"type": "function", "function": FUNCTION}],
        "tool_choice": "auto",
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": OBJECT}},
    },
    "/v1/messages": {
        "model": "claude",
        "max_tokens": 20,
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image", "source": SOURCE}]},
            {"role": "assistant", "content": [{"type": "text", "text": "x"}, USE]},
            {"role": "user", "content": [RESULT]},
        ],
        "tools": [{"name": "f", "input_schema": OBJECT}],
        "tool_choice": {"type": "auto"},
        "metadata": {"user_id": "u"},
        "service_tier": "auto",
        "output_config": {"format": {"type": "json_schema", "schema": OBJECT}, "effort": "low"},
    },
    "/v1/responses": {
        "model": "cheap",
        "max_output_tokens": 20,
        "instructions": "i",
        "input": [
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": URL}],
            },
            {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "e"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "r"},
        ],
        "tools": [{"type": "function", **FUNCTION}],
        "tool_choice": {"type": "function", "name": "f"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": OBJECT}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "metadata": {"a": "b"},
        "background": False,
        "store": True,
    },
    "/v1/jobs": {
        "model": "cheap",
        "prompt": "p",
        "max_tokens": 20,
        "schema": OBJECT,
        "fallbacks": [CLAUDE],
        "tags": {"a": "b"},
        "metadata": {"x": 1},
        "lane": "bulk",
        "deadline_s": 1,
        "provider_options": {"top_p": 1},
        "images": [URL],
        "budget_usd": "1",
    },
    "/v1/embeddings": {"model": "embedder", "input": ["a", "b"], "dimensions": 8, "encoding_format": "float"},
    "/v1/batches": {
        "input_file_id": "file-none",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": {"a": "b"},
        "output_expires_after": {"anchor": "created_at", "seconds": 3600},
    },
}
WRONG: tuple[Any, ...] = (
    None, True, 0, -1, 2**70, 1.5, "", "x", "\0", "😀", [], {}, [[]], [None], [1], {"type": "x"}, {"type": None},
    {"type": {}}, {"a": {}}, "a" * 3000, 1e308,
)  # fmt: skip
Place = tuple[str | int, ...]


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Every part of a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inner:
        yield (*place, name)
        yield from places(part, (*place, name))


def changed(document: Any, place: Place, value: Any) -> Any:
    made = copy.deepcopy(document)
    inner = made
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    return made


@pytest.mark.parametrize("path", GOOD)
def test_any_part_made_wrong(cell: Cell, path: str) -> None:
    @settings(max_examples=60, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from(sorted(places(GOOD[path]), key=str)), st.sampled_from(WRONG))
    def try_one(place: Place, value: Any) -> None:
        response = post(cell.url + path, json.dumps(changed(GOOD[path], place, value)), JSON)
        assert response.status_code != 500, (place, value)
        if response.status_code >= 400:
            error = response.json()["error"]
            assert error["message"]
            assert error["type"]

    try_one()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/embeddings"])
def test_lines_with_any_part_made_wrong(cell: Cell, path: str) -> None:
    every = itertools.product(sorted(places(GOOD[path]), key=str), WRONG)
    bodies = [changed(GOOD[path], place, value) for place, value in random.Random(path).sample(list(every), 120)]
    client = cell.openai()
    lines = [json.dumps(line(str(number), path, **body)).encode() for number, body in enumerate(bodies)]
    batch = ended(client, create(client, lines, path))
    assert batch.status == "completed", batch.errors
    found = rows(client, batch.output_file_id) | rows(client, batch.error_file_id)
    assert found.keys() == {str(number) for number in range(len(bodies))}
    codes = {name: row["response"]["status_code"] for name, row in found.items() if row["response"]}
    assert not [bodies[int(name)] for name, code in codes.items() if code == 500]
