"""What `submit` refuses, and what it makes of images and schemas; no store is needed."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from homa import Homa, InvalidRequest
from homa.submit.messages import build_messages
from homa.submit.options import check_options
from homa.submit.response_format import response_format
from homa_shared.calls.request import REQUEST_VERSION, JobRequest, Option

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
PNG = b"\x89PNG\r\n\x1a\n0"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"prompt": 7}, "prompt is 7"),
        ({"prompt": "x", "messages": [{"role": "user", "content": "y"}]}, "both prompt and messages"),
        ({}, "neither prompt nor messages"),
        ({"messages": []}, r"messages is \[\]: expected a list of at least one"),
        ({"messages": ["x"]}, r"messages\[0\] is 'x'"),
        ({"messages": [{"role": "boss", "content": "x"}]}, r"messages\[0\].role is 'boss'"),
        ({"messages": [{"role": "user"}]}, r"messages\[0\].content is missing"),
        ({"messages": [{"role": "user", "content": [7]}]}, r"messages\[0\].content\[0\] is 7"),
        ({"system": 7}, "system is 7"),
        ({"model": ""}, "model is ''"),
        ({"fallbacks": "openai:x"}, "fallbacks is 'openai:x'"),
        ({"fallbacks": [7]}, r"fallbacks\[0\] is 7"),
        ({"temperature": 3}, "temperature is 3: expected a number from 0 to 2"),
        ({"temperature": True}, "temperature is True"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"max_tokens": 1.5}, "max_tokens is 1.5"),
        ({"tools": "f"}, "tools is 'f'"),
        ({"tools": [{"function": {"name": "f"}}]}, r"tools\[0\].type is None: expected function"),
        ({"tools": [{"type": "function", "function": 7}]}, r"tools\[0\].function is 7: expected an object"),
        ({"tools": [TOOL, {"type": "function", "function": {"name": "a b"}}]}, r"tools\[1\].function.name is 'a b'"),
        ({"tools": [{"type": "function", "name": ""}]}, r"tools\[0\].name is ''"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "objekt"}}}]},
            r"tools\[0\].function.parameters: .* at \$.type: 'objekt' is not one of",
        ),
        ({"schema": {"type": "objekt"}}, r"^schema: the schema is no valid JSON schema .* at \$.type: 'objekt' is not"),
        ({"schema": {"type": "object", "properties": 5}}, r"schema: .* at \$.properties: 5 is not of type 'object'"),
        ({"schema": {"items": {"$ref": "#/$defs/x"}}}, r"schema: the schema refers to '#/\$defs/x', which it does not"),
        ({"schema": {"$ref": "https://e.com/a.json"}}, "refers to 'https://e.com/a.json', which it does not hold"),
        ({"schema": {"type": object()}}, "schema is not valid JSON: Type is not JSON serializable"),
        ({"response_format": {"type": "json_schema", "json_schema": 7}}, "response_format.json_schema is 7"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
            "response_format.json_schema.schema is None: expected a JSON schema",
        ),
        ({"deadline_s": 0}, "deadline_s is 0: expected seconds, more than zero"),
        ({"deadline_s": float("nan")}, "deadline_s is nan"),
        ({"delay_s": -1}, "delay_s is -1: expected seconds, zero or more"),
        ({"delay_s": 1, "at": datetime(2030, 1, 1)}, "both delay_s"),  # noqa: DTZ001 - a time without a zone is the point
        ({"at": datetime(2030, 1, 1)}, "at is .* a datetime with a time zone"),  # noqa: DTZ001
        ({"slack_s": "soon"}, "slack_s is 'soon'"),
        ({"tags": ["a"]}, "tags is"),
        ({"tags": {str(i): "" for i in range(11)}}, "tags has 11 entries: expected at most 10"),
        ({"tags": {"a=b": "c"}}, "tags is 'a=b'"),
        ({"tags": {"a": "b\nc"}}, r"tags\['a'\] is"),
        ({"tags": {"a": 1}}, r"tags\['a'\] is 1"),
        ({"tenant": "a|b"}, "tenant is 'a|b'"),
        ({"tenant": "a:b"}, "tenant is 'a:b'"),
        ({"tenant": "\ud800"}, "no valid Unicode"),
        ({"lane": "fast"}, "lane is 'fast': expected one of high, default, bulk"),
        ({"budget_usd": 0}, "budget_usd is 0: expected more than zero"),
        ({"budget_usd": -1}, "budget_usd: -1 is negative"),
        ({"budget_usd": "lots"}, "budget_usd: 'lots' is not an amount"),
        ({"key": ""}, "key is ''"),
        ({"key": "k" * 513}, "key is .* text of 1 to 512 bytes"),
        ({"on_ambiguous": "pray"}, "on_ambiguous is 'pray'"),
        ({"on_content_policy": "retry"}, "on_content_policy is 'retry': expected fail or reroute"),
        ({"cache": "yes"}, "cache is 'yes': expected True or False"),
        ({"max_attempts": 0}, "max_attempts is 0"),
        ({"schema": 7}, "schema is 7"),
        ({"schema": {}, "response_format": {}}, "both schema and response_format"),
        ({"fallback": ["openai:x"]}, "unknown option 'fallback': did you mean 'fallbacks'?"),
        ({"reasoning_efort": "low"}, "unknown option 'reasoning_efort': did you mean 'reasoning_effort'?"),
        ({"max_output_token": 5}, "unknown option 'max_output_token': did you mean 'max_output_tokens'?"),
        ({"messages": [{"role": "user", "content": datetime}]}, "content is"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages is no JSON"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_asked(arguments: dict[str, Any], said: str) -> None:
    if not arguments.keys() & {"messages", "prompt"} and arguments:
        arguments = {"prompt": "x", **arguments}
    with pytest.raises(InvalidRequest, match=said):
        Homa(redis_url="redis://127.0.0.1:1").submit(**{"model": "openai:gpt-6-luna", **arguments})


def test_images_stand_beside_the_text_they_are_shown_with(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    formats = [b"\xff\xd8\xff0", b"GIF89a", b"RIFF0000WEBP"]
    images = ["https://example.org/a.png", tmp_path / "a.png", *formats]
    (message,) = build_messages("Look", None, None, images)
    assert message["content"][0] == {"type": "text", "text": "Look"}
    urls = [part["image_url"]["url"] for part in message["content"][1:]]
    heads = [url.split(",")[0] for url in urls[1:]]
    kinds = ("png", "jpeg", "gif", "webp")
    assert heads == [f"data:image/{kind};base64" for kind in kinds]
    parts = [{"role": "user", "content": [{"type": "text", "text": "a"}]}]
    assert len(build_messages(None, parts, None, images[:1])[0]["content"]) == 2


def test_a_tool_call_needs_no_content() -> None:
    call = {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]}
    assert build_messages(None, [call]) == [call]


def test_nested_schemas_are_strict_all_the_way_down() -> None:
    from pydantic import BaseModel

    class Inner(BaseModel):
        x: int = 1

    class Outer(BaseModel):
        many: list[Inner]
        one: Inner | None = None

    asked = response_format(Outer)["json_schema"]
    inner = asked["schema"]["$defs"]["Inner"]
    assert (inner["additionalProperties"], inner["required"]) == (False, ["x"])
    assert "default" not in inner["properties"]["x"]
    assert asked["schema"]["required"] == ["many", "one"]
    assert response_format({"title": "my reply", "items": True})["json_schema"]["name"] == "my_reply"


def test_money_and_spans_take_decimals() -> None:
    options = check_options({"model": "m:x", "budget_usd": Decimal("0.25"), "deadline_s": Decimal("1.5"), "tags": None})
    assert (options.record, options.deadline_ms) == ({"job_budget": 250_000_000}, 1_500)


def test_a_request_survives_the_store() -> None:
    options = (Option("openai:x", 7, (3, 2, 1)), Option("ollama:llama3:8b"))
    request = JobRequest([{"role": "user", "content": "ü"}], {"seed": 1}, options, stream=True)
    assert JobRequest.decode(request.encode()) == request
    assert request.call("ollama:llama3:8b").model == "llama3:8b"


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"v":1}', b'{"v":1,"targets":["a"],"plans":[]}'])
def test_an_unreadable_request_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest, match="is no stored request"):
        JobRequest.decode(raw)


def test_a_request_of_a_later_release_says_so() -> None:
    with pytest.raises(
        InvalidRequest, match=rf"request of version {REQUEST_VERSION + 1}: this release reads up to {REQUEST_VERSION}"
    ):
        JobRequest.decode(b'{"v":%d}' % (REQUEST_VERSION + 1))


@pytest.mark.parametrize(
    "arguments",
    [
        {"tools": [TOOL, {"type": "web_search"}, {"google_search": {}}]},
        {"tools": [{"type": "function", "name": "f"}]},
        {"response_format": {"type": "json_object"}},
        {"schema": {"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}}},
        {"schema": {"$ref": "https://json-schema.org/draft/2020-12/schema"}},
        {"schema": {"enum": [{"$ref": "only a value"}], "anyOf": [{"$anchor": "a"}, {"$ref": "#a"}]}},
        # What a part with an address of its own refers to is for the answer's check to find.
        {"schema": {"$defs": {"n": {"$id": "https://e.com/n", "items": {"$ref": "#/$defs/m"}}}}},
    ],
)
def test_what_a_provider_may_know_goes_through(arguments: dict[str, Any]) -> None:
    assert check_options({"model": "openai:gpt-6-luna", **arguments}).params


def test_an_empty_list_of_tools_is_none() -> None:
    assert "tools" not in check_options({"model": "openai:gpt-6-luna", "tools": []}).params
