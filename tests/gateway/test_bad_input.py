"""Bad input gets the API's own error with the right status, never a 500, and nothing is half created."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest

from tests.gateway.conftest import CLAUDE, MODEL, Cell
from tests.gateway.wire import JSON, post, raw, told

GOOD: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 20}


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def chat(cell: Cell, content: Any, headers: dict[str, str] | None = None) -> httpx2.Response:
    data = content if isinstance(content, bytes) else json.dumps(content)
    return post(f"{cell.url}/v1/chat/completions", data, headers or JSON)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [1]}, "messages[0]"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"stream": True, "stream_options": 3}, "stream_options"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"n": 0}, "n"),
        ({"tools": 3}, "tools"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": 7}}}}, None),
        ({"tenant": "other"}, "tenant"),
        ({"run_tools": ["shell"]}, "run_tools"),
        ({"budget_usd": 1}, "budget_usd"),
        ({"key": "k"}, "key"),
    ],
)
def test_a_wrong_field_is_named(cell: Cell, change: dict[str, Any], param: str | None) -> None:
    before = cell.jobs()
    response = chat(cell, {**GOOD, **change})
    assert response.status_code == 400, response.text
    error = told(response)
    assert error["type"] == "invalid_request_error"
    if param is not None:
        assert error["param"] == param
    assert cell.jobs() == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b'{"model": NaN}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_told(cell: Cell, content: bytes) -> None:
    response = chat(cell, content)
    assert response.status_code == 400
    assert told(response)["code"] in ("invalid_json", "invalid_request")


@pytest.mark.parametrize("field", ["messages", "input", "tools", "metadata", "stream", "colour"])
@pytest.mark.parametrize("path", ["chat/completions", "responses", "messages", "messages/count_tokens", "jobs"])
def test_a_body_that_is_nested_too_deeply_is_told(cell: Cell, path: str, field: str) -> None:
    for levels in (225, 240, 1000):
        for begin, end in (("", ""), ('[{"type": "function", "function": ', "}]")):
            value = begin + "[" * levels + "]" * levels + end
            body = json.dumps({**GOOD, "input": "x"})[:-1] + f', "{field}": {value}}}'
            response = post(f"{cell.url}/v1/{path}", body)
            assert response.status_code < 500, response.text
            assert levels < 234 or "nested too deeply" in response.json()["error"]["message"]


def test_an_unknown_model_is_not_found(cell: Cell) -> None:
    response = chat(cell, {**GOOD, "model": "nobody:knows"})
    assert response.status_code == 404
    assert told(response)["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("headers", "offender"),
    [
        ({"x-homa-lane": "fast"}, "lane"),
        ({"x-homa-tags": "blue"}, "x-homa-tags"),
        ({"x-homa-fallbacks": "nobody:knows"}, "nobody"),
        ({"x-homa-deadline-s": "soon"}, "x-homa-deadline-s"),
        ({"x-homa-budget-usd": "much"}, "budget_usd"),
        ({"x-homa-cache": "maybe"}, "x-homa-cache"),
        ({"x-homa-keep": "perhaps"}, "x-homa-keep"),
        ({"idempotency-key": "k" * 2000}, "key"),
    ],
)
def test_a_wrong_header_is_named(cell: Cell, headers: dict[str, str], offender: str) -> None:
    before = cell.jobs()
    response = chat(cell, GOOD, {**JSON, **headers})
    assert response.status_code in (400, 404)
    assert offender in told(response)["message"]
    assert cell.jobs() == before


@pytest.mark.parametrize("kind", ["text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_another_type_of_content_is_refused(cell: Cell, kind: str) -> None:
    response = chat(cell, GOOD, {"content-type": kind})
    assert response.status_code == 415
    told(response)


def test_a_body_that_is_too_long_is_refused_before_it_is_read(cell: Cell) -> None:
    answer = raw(cell.url, HEAD + b"Content-Length: 1000000000\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"request_too_large"' in answer


def test_a_body_that_ends_early_creates_nothing(cell: Cell) -> None:
    before = cell.jobs()
    body = json.dumps(GOOD).encode()
    raw(cell.url, HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) + 10) + body, close=True)
    assert cell.jobs() == before
    assert chat(cell, GOOD).status_code == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 100_000 + b"\r\n\r\n", 431),
    ],
)
def test_what_is_no_request_is_answered_in_json_and_let_go(cell: Cell, data: bytes, status: int) -> None:
    head, _, body = raw(cell.url, data).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(body)["error"]["message"]


def test_a_path_or_method_that_is_not_there_is_told(cell: Cell) -> None:
    response = httpx2.get(f"{cell.url}/v1/nothing")
    assert (response.status_code, told(response)["code"]) == (404, "not_found")
    response = httpx2.get(f"{cell.url}/v1/chat/completions")
    assert (response.status_code, told(response)["code"]) == (405, "method_not_allowed")
    response = httpx2.post(f"{cell.url}/v1/messages/nothing", json={})
    assert response.json()["type"] == "error"


def test_every_answer_has_secure_headers_and_none_names_the_server(cell: Cell) -> None:
    answers = [chat(cell, GOOD), chat(cell, b"{"), httpx2.get(f"{cell.url}/nothing"), httpx2.get(f"{cell.url}/healthz")]
    for response in answers:
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert "server" not in response.headers


@pytest.mark.parametrize(
    ("fault", "model", "kind", "status"),
    # A refused key closes its account to later calls: it is another one's.
    [("400", MODEL, openai.BadRequestError, 400), ("401", CLAUDE, openai.InternalServerError, 502)],
)
def test_what_a_provider_refuses_is_told_with_its_job(
    cell: Cell, fault: str, model: str, kind: type[openai.APIStatusError], status: int
) -> None:
    cell.simulator.script(fault)
    with pytest.raises(kind) as refused:
        cell.openai(max_retries=2).chat.completions.create(**{**GOOD, "model": model})
    assert refused.value.status_code == status
    assert cell.state(refused.value.response.headers["x-homa-job"]) == "failed"


def test_a_failure_in_a_stream_is_an_event_that_the_client_raises(cell: Cell) -> None:
    cell.simulator.script("400")
    with pytest.raises(openai.APIError) as refused:
        list(cell.openai().chat.completions.create(**GOOD, stream=True))
    assert refused.value.code == "invalid_request"


def test_a_budget_without_room_is_no_reason_to_try_again(cell: Cell) -> None:
    before = cell.billed()
    with pytest.raises(openai.RateLimitError) as refused:
        cell.openai(max_retries=2).chat.completions.create(**GOOD, extra_headers={"x-homa-tags": "team=poor"})
    assert refused.value.code == "insufficient_quota"
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert cell.billed() == before
