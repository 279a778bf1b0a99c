"""Schemas of pydantic's at providers that take only a part of JSON Schema: followed, and checked, all the same."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
import pytest
from pydantic import BaseModel, Field

from homa.submit.response_format import response_format
from homa_shared.calls.reply import RESPONSES_API, Call
from homa_shared.kinds.registry import profile_of
from homa_shared.kinds.schema_limits import lack
from homa_shared.model.records import State
from homa_workers.providers.openai import responses_request
from homa_workers.providers.openai.dialects import OPENAI, request_body
from homa_workers.providers.openai.strict_schema import strict_schema
from tests.steps.cell import HAIKU, MINI, Cell, reply_of

URL = "https://api.openai.com/v1"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    name: Annotated[str, Field(min_length=2, description="What it is called.")]


class Household(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    first: Cat = Field(description="The one that came first.")
    nickname: str | None = None


class Node(BaseModel):
    name: str
    children: list[Node] = []


class Prices(BaseModel):
    of: dict[str, float]


class Point(BaseModel):
    at: tuple[float, float]


class Anything(BaseModel):
    value: Any


def schema_of(model: type[BaseModel], *, as_given: bool = False) -> dict[str, Any]:
    if as_given:
        return model.model_json_schema()
    schema: dict[str, Any] = response_format(model)["json_schema"]["schema"]
    return schema


def test_what_strict_mode_lacks_is_said_in_its_words() -> None:
    found = strict_schema(schema_of(Household))
    assert found is not None
    assert found["required"] == ["pet", "first", "nickname"]
    pet, first = found["properties"]["pet"], found["properties"]["first"]
    assert pet == {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}], "title": "Pet"}
    assert first == {"anyOf": [{"$ref": "#/$defs/Cat"}], "description": "The one that came first."}
    name = found["$defs"]["Dog"]["properties"]["name"]
    assert name["description"] == "What it is called. {minLength: 2}"
    assert found["$defs"]["Cat"]["additionalProperties"] is False


def test_a_root_that_refers_to_itself_stands_by_itself() -> None:
    found = strict_schema(schema_of(Node))
    assert found is not None
    assert found["type"] == "object"
    assert found["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
    assert found["$defs"]["Node"]["required"] == ["name", "children"]


def test_a_property_that_may_be_left_out_is_asked_for_where_the_schema_says_what_it_then_is() -> None:
    given = {
        "type": "object",
        "properties": {"a": {"type": "integer", "default": 1}, "b": {"type": ["string", "null"]}},
    }
    found = strict_schema(given)
    assert found == {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": ["string", "null"]}},
        "required": ["a", "b"],
        "additionalProperties": False,
    }
    assert strict_schema({"type": "object", "properties": {"a": {"type": "integer"}}}) is None, "nobody says what else"


def test_values_without_a_type_get_theirs() -> None:
    found = strict_schema({"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]})
    assert found is not None
    assert found["properties"]["a"] == {"enum": ["x", "y"], "type": "string"}


@pytest.mark.parametrize("model", [Prices, Point, Anything])
def test_what_strict_mode_cannot_express_is_not_sent_strictly(model: type[BaseModel]) -> None:
    wanted = response_format(model)
    call = Call("gpt-6-luna", [{"role": "user", "content": "Hi"}], {"response_format": wanted})
    described = request_body(call, OPENAI, URL)["response_format"]["json_schema"]
    assert described == {**wanted["json_schema"], "strict": False}
    other = Call(call.model, call.messages, call.params, api=RESPONSES_API)
    assert responses_request.request_body(other, URL)["text"]["format"] == {**described, "type": "json_schema"}
    assert wanted["json_schema"]["strict"] is True, "the request itself is left alone"


def test_parameters_of_tools_are_made_strict_too() -> None:
    function = {"name": "f", "strict": True, "parameters": schema_of(Household)}
    call = Call(
        "gpt-6-luna", [{"role": "user", "content": "Hi"}], {"tools": [{"type": "function", "function": function}]}
    )
    sent = request_body(call, OPENAI, URL)["tools"][0]["function"]
    assert sent["parameters"] == strict_schema(schema_of(Household))
    other = Call(call.model, call.messages, call.params, api=RESPONSES_API)
    assert responses_request.request_body(other, URL)["tools"][0]["parameters"] == sent["parameters"]


@pytest.mark.parametrize(
    ("model", "why"),
    [(Node, "lead back"), (Prices, "any name"), (Point, "their place"), (Household, None), (Cat, None)],
)
@pytest.mark.parametrize("kind", ["anthropic", "bedrock"])
def test_what_claude_cannot_be_held_to_is_known(kind: str, model: type[BaseModel], why: str | None) -> None:
    found = lack(profile_of(kind).schemas, schema_of(model))
    assert (found is None) if why is None else (found is not None and why in found)


def test_claude_takes_so_many_optional_properties() -> None:
    def with_optional(count: int) -> dict[str, Any]:
        return {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(count)}}

    limits = profile_of("anthropic").schemas
    assert lack(limits, with_optional(24)) is None
    assert lack(limits, with_optional(25)) == "25 optional properties"


def test_openai_takes_no_root_but_an_object() -> None:
    limits = profile_of("openai").schemas
    assert lack(limits, {"type": "array", "items": {"type": "string"}}) == "a root that is not an object"
    assert lack(limits, schema_of(Node)) is None


def test_a_schema_whose_references_multiply_is_looked_into_once() -> None:
    levels = {f"l{n}": {"anyOf": [{"$ref": f"#/$defs/l{n + 1}"}] * 2} for n in range(60)}
    schema = {
        "$defs": {**levels, "l60": {"type": "integer"}},
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/l0"}},
    }
    assert lack(profile_of("anthropic").schemas, schema) is None


def test_gemini_is_sent_its_part_of_json_schema() -> None:
    answer_schema = pytest.importorskip("homa_workers.providers.gemini.answer_schema").answer_schema
    found = answer_schema(schema_of(Household))
    assert found["properties"]["first"] == {"$ref": "#/$defs/Cat"}
    assert found["$defs"]["Cat"]["properties"]["kind"]["enum"] == ["cat"]
    assert "discriminator" not in found["properties"]["pet"]


@pytest.mark.parametrize("model", [Household, Node, Prices, Point])
@pytest.mark.parametrize("target", [MINI, HAIKU])
async def test_a_model_of_pydantics_is_answered_at_every_provider(
    cell: Cell, model: type[BaseModel], target: str
) -> None:
    await cell.worker(target.partition(":")[0])
    answer = {
        Household: '{"pet": {"kind": "cat", "lives": 9}, "first": {"kind": "cat", "lives": 1}, "nickname": null}',
        Node: '{"name": "a", "children": [{"name": "b", "children": []}]}',
        Prices: '{"of": {"pen": 1.5}}',
        Point: '{"at": [1, 2]}',
    }[model]
    params = {"max_tokens": 300, "response_format": response_format(model)}
    job = await cell.ask(f"[[say:{answer}]]", params=params, targets=(target,))
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED, view.reply
    text = reply_of(view)["body"]["choices"][0]["message"]["content"]
    assert orjson.loads(text) == orjson.loads(answer)
    assert model.model_validate_json(text)
    assert cell.simulator.stats.received == 1
