"""What strict mode refuses, of answers and tools, by either API: what the adapter sends strictly, it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError

OPEN: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
CLOSED = {**OPEN, "additionalProperties": False}
LENGTH = {**CLOSED, "properties": {"a": {"type": "string", "minLength": 2}}}
OPTIONAL = {**CLOSED, "required": []}
REFUSED = [(OPEN, "additionalProperties"), (LENGTH, "minLength"), (OPTIONAL, "'required'")]

Ask = Callable[[AsyncOpenAI, dict[str, Any], bool], Any]


def chat_answer(client: AsyncOpenAI, schema: dict[str, Any], strict: bool) -> Any:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "strict": strict, "schema": schema}}
    return client.chat.completions.create(
        model="gpt-6-luna", messages=[{"role": "user", "content": "Hello"}], response_format=wanted
    )


def response_answer(client: AsyncOpenAI, schema: dict[str, Any], strict: bool) -> Any:
    wanted = {"type": "json_schema", "name": "x", "strict": strict, "schema": schema}
    return client.responses.create(model="gpt-6-luna", input="Hello", text={"format": wanted})


def chat_tool(client: AsyncOpenAI, schema: dict[str, Any], strict: bool) -> Any:
    tool = {"type": "function", "function": {"name": "x", "strict": strict, "parameters": schema}}
    return client.chat.completions.create(
        model="gpt-4.1", messages=[{"role": "user", "content": "Hello"}], tools=[tool]
    )


def response_tool(client: AsyncOpenAI, schema: dict[str, Any], strict: bool) -> Any:
    tool = {"type": "function", "name": "x", "strict": strict, "parameters": schema}
    return client.responses.create(model="gpt-6-luna", input="Hello", tools=[tool])


#: How a schema is asked for -> what an error says that it is of, its parameter and code.
ASKED: dict[Ask, tuple[str, str, str | None]] = {
    chat_answer: ("response_format 'x'", "response_format", None),
    response_answer: ("response_format 'x'", "text.format.schema", None),
    chat_tool: ("function 'x'", "tools[0].function.parameters", "invalid_function_parameters"),
    response_tool: ("function 'x'", "tools[0].parameters", "invalid_function_parameters"),
}


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize(("schema", "word"), REFUSED)
async def test_a_schema_that_is_not_strict_is_refused(
    openai: AsyncOpenAI, ask: Ask, schema: dict[str, Any], word: str
) -> None:
    subject, param, code = ASKED[ask]
    with pytest.raises(BadRequestError, match=f"Invalid schema for {subject}: In context=") as caught:
        await ask(openai, schema, True)
    assert word in caught.value.message
    assert (caught.value.param, caught.value.code) == (param, code)


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize("schema", [OPEN, LENGTH, OPTIONAL])
async def test_it_is_taken_where_nobody_asks_for_strictness(
    openai: AsyncOpenAI, ask: Ask, schema: dict[str, Any]
) -> None:
    assert (await ask(openai, schema, False)).id


@pytest.mark.parametrize("ask", ASKED)
async def test_a_strict_one_is_taken(openai: AsyncOpenAI, ask: Ask) -> None:
    assert (await ask(openai, CLOSED, True)).id


@pytest.mark.parametrize("ask", ASKED)
async def test_the_root_is_an_object(openai: AsyncOpenAI, ask: Ask) -> None:
    with pytest.raises(BadRequestError, match="schema must be a JSON Schema of 'type: \"object\"'"):
        await ask(openai, {"type": "array", "items": CLOSED}, True)
