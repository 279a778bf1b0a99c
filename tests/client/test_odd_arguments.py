"""Arguments of a wrong kind are refused at once, by name, as InvalidRequest; nothing of them reaches the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from homa import Homa
from homa_shared.model.errors import InvalidRequest
from homa_shared.store import reads

MODEL = "openai:gpt-6-luna"

BAD_SCHEMA = {"type": "object", "properties": {"a": {"type": "number", "maximum": float("nan")}}}
DEEP: dict[str, Any] = {}
for _ in range(5000):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "openai:\ud800"}, "model 'openai:"),
        ({"images": 0}, "images is not a list"),
        ({"files": 0}, "files is not a list"),
        ({"images": "x.png"}, "images is not a list"),
        ({"response_format": 5}, "response_format is 5: expected an object with a type"),
        ({"response_format": {}}, "response_format is {}: expected an object with a type"),
        ({"provider_options": {"provider_options": {"x": 1}}}, "not in a provider_options of their own"),
        ({"teir": "flex"}, "unknown option 'teir': did you mean 'tier'"),
        ({"stop": 5}, "stop is 5: expected text or a list, each of it text"),
        ({"seed": "x"}, "seed is 'x': expected a whole number"),
        ({"seed": True}, "seed is True: expected a whole number"),
        ({"logit_bias": 5}, "logit_bias is 5: expected names, each with a number"),
        ({"logit_bias": {50256: 1}}, "logit_bias is {50256: 1}"),
        ({"metadata": 5}, "metadata is 5: expected names and values"),
        ({"metadata": DEEP}, "metadata is"),
        ({"extra_thing": DEEP}, "extra_thing is no JSON"),
        ({"seed": 10**30}, "seed is no JSON"),
        ({"top_p": float("nan")}, "top_p is nan: expected a finite number"),
        ({"logit_bias": {"5": float("inf")}}, r"logit_bias\.5 is inf: expected a finite number"),
        (
            {"extra_thing": [{"deep": (1, float("-inf"))}]},
            r"extra_thing\[0\]\.deep\[1\] is -inf: expected a finite number",
        ),
        ({"schema": BAD_SCHEMA}, r"^schema\.properties\.a\.maximum is nan: expected a finite number"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": BAD_SCHEMA}}},
            r"^response_format\.json_schema\.schema\.properties\.a\.maximum is nan",
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": BAD_SCHEMA}}]},
            r"^tools\[0\]\.function\.parameters\.properties\.a\.maximum is nan",
        ),
        ({"schema": {"properties": {"a": {"enum": [1.0, float("inf")]}}}}, r"properties\.a\.enum\[1\] is inf"),
        ({"fallbacks": [MODEL, 1]}, r"fallbacks\[1\] is 1: expected provider:model"),
        ({"deadline_s": 1e300}, r"deadline_s is 1e\+300: expected seconds, .* at most 315,360,000"),
        ({"max_attempts": 2**31}, "max_attempts is 2147483648: expected a whole number from 1 to 2,147,483,647"),
        ({"tool_choice": 5}, "tool_choice is 5: expected text or names and values"),
        ({"reasoning_effort": 5}, "reasoning_effort is 5: expected text"),
        ({"top_p": "1"}, "top_p is '1': expected a number"),
        ({"functions": [5]}, "functions is \\[5\\]: expected a list of objects"),
    ],
)
def test_options_of_a_wrong_kind(homa: Homa, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        homa.submit("Hi", **{"model": MODEL, **options})


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"role": ["user"], "content": "x"}, r"messages\[0\].role is \['user'\]"),
        ({"role": "assistant", "tool_calls": 5}, r"messages\[0\].tool_calls is 5: expected a list of calls"),
        ({"role": "assistant", "tool_calls": [5]}, r"tool_calls\[0\] is 5"),
        ({"role": "assistant", "tool_calls": [{"function": {}}]}, r"tool_calls\[0\].function is {}"),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]},
            r"function.arguments is {}: expected JSON as text",
        ),
        ({"role": "tool", "content": "x"}, r"messages\[0\].tool_call_id is missing"),
        ({"role": "user", "content": [{"type": "image_url"}]}, r"content\[0\].image_url is missing"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, r"image_url.url is missing"),
        ({"role": "user", "content": [{"type": "text"}]}, r"content\[0\].text is missing"),
        ({"role": "user", "content": [{"type": "file", "file": 5}]}, r"content\[0\].file is 5"),
    ],
)
def test_messages_of_a_wrong_kind(homa: Homa, message: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        homa.submit(messages=[message], model=MODEL)


@pytest.mark.parametrize("requests", [5, None, "abc", b"abc", {"prompt": "x"}])
def test_what_is_not_a_list_of_requests_is_no_batch(homa: Homa, requests: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"requests is .*expected a list or another iterable of requests"):
        homa.submit_batch(requests, model=MODEL)


@pytest.mark.parametrize("timeout", [float("nan"), "5", True, [5]])
def test_a_timeout_is_a_number_of_seconds(homa: Homa, timeout: Any) -> None:
    batch = homa.batch("b1")
    for wait in (homa.job("j1").result, batch.wait, lambda timeout: list(batch.results(timeout=timeout))):
        with pytest.raises(InvalidRequest, match=r"timeout is .*: expected seconds, or None"):
            wait(timeout=timeout)


@pytest.mark.parametrize(
    "act",
    [
        lambda homa: homa.job(5),
        lambda homa: homa.job(""),
        lambda homa: homa.batch(None),
        lambda homa: homa.cancel(None),
        lambda homa: homa.count(5, model=MODEL),
        lambda homa: homa.count([5], model=MODEL),
        lambda homa: homa.count("x", model=5),
    ],
)
def test_other_calls_name_what_is_wrong(homa: Homa, act: Callable[[Homa], Any]) -> None:
    with pytest.raises(InvalidRequest, match=" is "):
        act(homa)


def test_right_ones_go_through(homa: Homa) -> None:
    right: dict[str, Any] = {"stop": ["a"], "seed": 3, "logit_bias": {"5": 1}, "metadata": {"a": "b"}, "top_p": 1}
    job = homa.submit("Hi", model=MODEL, images=[], files=(), user="u", **right)
    view = homa._driver.store.run(reads.job(homa._driver.store.keys, job.id))
    assert view is not None
    assert b'"logit_bias":{"5":1}' in (view.request or b"")


def test_a_tool_whose_type_is_no_text_is_named(homa: Homa) -> None:
    with pytest.raises(InvalidRequest, match=r"tools\[0\]\.type is \[\]"):
        homa.submit("Hi", model=MODEL, api="responses", tools=[{"type": []}])
