"""Replies of the simulator pass the strict checks of the providers' own SDKs: whole, streamed, and errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, get_args

import aiohttp
import orjson
import pytest
from anthropic import AsyncAnthropic, BadRequestError
from anthropic.types import ErrorResponse as AnthropicError
from anthropic.types import RawMessageStreamEvent
from botocore.eventstream import EventStreamBuffer
from botocore.parsers import EventStreamJSONParser, RestJSONParser
from botocore.session import get_session
from google.genai import types
from openai import AsyncOpenAI
from openai import BadRequestError as OpenAIBadRequest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from homa_workers.simulator import Simulator, SimulatorConfig

TOOL = {
    "name": "look",
    "description": "Looks.",
    "parameters": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
}
HELLO = [{"role": "user", "content": "Hello"}]
CALLING = {"tools": [{"type": "function", "function": TOOL}], "tool_choice": "required"}
#: Paths of servers that speak OpenAI's protocol -> a model.
COMPATIBLE = {
    "openai/v1": "gpt-4.1",
    "resource/openai/v1": "gpt-4.1",
    "ollama/v1": "qwen3",
    "compatibility/v1": "command-a-03-2025",
    "mistral/v1": "mistral-small-latest",
}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorConfig()) as simulator:
        yield simulator


@pytest.fixture
async def post(simulator: Simulator) -> AsyncIterator[Callable[..., Any]]:
    async with aiohttp.ClientSession() as session:

        async def post(path: str, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
            async with session.post(f"{simulator.url}/{path}", data=orjson.dumps(body)) as reply:
                headers = {name.lower(): value for name, value in reply.headers.items()}
                return reply.status, headers, await reply.read()

        yield post


def strict(model: type[BaseModel], found: object) -> BaseModel:
    """Checked by its types alone; nothing beside what they name, either."""
    made = model.model_validate(found, strict=True)
    assert not made.model_extra, made.model_extra
    return made


def sent_events(content: bytes) -> list[Any]:
    lines = [line.removeprefix(b"data: ") for line in content.splitlines() if line.startswith(b"data: ")]
    return [orjson.loads(line) for line in lines if line != b"[DONE]"]


@pytest.mark.parametrize("path", COMPATIBLE)
@pytest.mark.parametrize("more", [{}, CALLING])
async def test_chat_completions(path: str, more: dict[str, Any], post: Callable[..., Any]) -> None:
    if path == "mistral/v1" and more:
        more = {**more, "tool_choice": "any"}
    asked = {"model": COMPATIBLE[path], "messages": HELLO, **more}
    status, _, whole = await post(f"{path}/chat/completions", asked)
    assert status == 200, whole
    strict(ChatCompletion, orjson.loads(whole))
    _, _, streamed = await post(f"{path}/chat/completions", {**asked, "stream": True})
    chunks = sent_events(streamed)
    assert chunks
    for chunk in chunks:
        strict(ChatCompletionChunk, chunk)


@pytest.mark.parametrize(
    "more", [{}, {"tools": [{"type": "function", **TOOL, "strict": False}], "tool_choice": "required"}]
)
async def test_responses(simulator: Simulator, more: dict[str, Any], post: Callable[..., Any]) -> None:
    async with AsyncOpenAI(
        base_url=f"{simulator.url}/openai/v1", api_key="k", max_retries=0, _strict_response_validation=True
    ) as client:
        found = await client.responses.create(model="gpt-6-luna", input="Hello", **more)
        assert found.output
        _, _, streamed = await post(
            "openai/v1/responses", {"model": "gpt-6-luna", "input": "Hello", **more, "stream": True}
        )
    events: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    for event in sent_events(streamed):
        events.validate_python(event, strict=True)


async def test_openais_embeddings_and_errors(simulator: Simulator) -> None:
    async with AsyncOpenAI(
        base_url=f"{simulator.url}/openai/v1", api_key="k", max_retries=0, _strict_response_validation=True
    ) as client:
        assert (
            await client.embeddings.create(model="text-embedding-3-small", input=["a"], encoding_format="float")
        ).data
        with pytest.raises(OpenAIBadRequest) as caught:
            await client.chat.completions.create(model="gpt-6-luna", messages=HELLO, temperature=0)  # type: ignore[arg-type]
    assert (caught.value.param, caught.value.code) == ("temperature", "unsupported_value")


@pytest.mark.parametrize(
    "more", [{}, {"tools": [{"name": "look", "input_schema": TOOL["parameters"]}], "tool_choice": {"type": "any"}}]
)
async def test_messages(simulator: Simulator, more: dict[str, Any], post: Callable[..., Any]) -> None:
    asked = {"model": "claude-haiku-5-5", "max_tokens": 99, "messages": HELLO, **more}
    async with AsyncAnthropic(
        base_url=f"{simulator.url}/anthropic", api_key="k", max_retries=0, _strict_response_validation=True
    ) as client:
        assert (await client.messages.create(**asked)).content
        counted = {name: value for name, value in asked.items() if name != "max_tokens"}
        assert (await client.messages.count_tokens(**counted)).input_tokens
        with pytest.raises(BadRequestError) as caught:
            await client.messages.create(
                **{**asked, "model": "claude-opus-5-5", "speed": "x", "tool_choice": {"type": "any"}}
            )
    TypeAdapter(AnthropicError).validate_python(caught.value.body, strict=True)
    _, _, streamed = await post("anthropic/v1/messages", {**asked, "stream": True})
    kinds = {kind.model_fields["type"].annotation: kind for kind in get_args(get_args(RawMessageStreamEvent)[0])}
    known = {get_args(annotation)[0]: kind for annotation, kind in kinds.items()}
    for event in sent_events(streamed):
        if event["type"] != "ping":
            strict(known[event["type"]], event)


GEMINIS = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
GEMINI = "gemini/v1beta/models/gemini-3-flash"
CALLS = {
    "tools": [{"functionDeclarations": [{"name": "look", "parametersJsonSchema": TOOL["parameters"]}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
}


@pytest.mark.parametrize("more", [{}, CALLS])
async def test_generate_content(more: dict[str, Any], post: Callable[..., Any]) -> None:
    _, _, whole = await post(f"{GEMINI}:generateContent", {**GEMINIS, **more})
    assert types.GenerateContentResponse.model_validate(orjson.loads(whole)).candidates
    _, _, streamed = await post(f"{GEMINI}:streamGenerateContent", {**GEMINIS, **more})
    for event in sent_events(streamed):
        types.GenerateContentResponse.model_validate(event)
    _, _, counted = await post(f"{GEMINI}:countTokens", GEMINIS)
    assert types.CountTokensResponse.model_validate(orjson.loads(counted)).total_tokens


async def test_geminis_embeddings_and_errors(post: Callable[..., Any]) -> None:
    request = {"model": "models/gemini-embedding-001", "content": GEMINIS["contents"][0]}
    _, _, found = await post("gemini/v1beta/models/gemini-embedding-001:batchEmbedContents", {"requests": [request]})
    for embedding in orjson.loads(found)["embeddings"]:
        assert types.ContentEmbedding.model_validate(embedding).values
    status, _, refused = await post(f"{GEMINI}:generateContent", {**GEMINIS, "n": 1})
    error = orjson.loads(refused)["error"]
    assert (status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")


CONVERSES = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
SPEC = {"name": "look", "inputSchema": {"json": TOOL["parameters"]}}
NOVA = "bedrock/model/amazon.nova-lite-v1%3A0"


@pytest.mark.parametrize("more", [{}, {"toolConfig": {"tools": [{"toolSpec": SPEC}], "toolChoice": {"any": {}}}}])
async def test_converse(more: dict[str, Any], post: Callable[..., Any]) -> None:
    service = get_session().get_service_model("bedrock-runtime")
    _, headers, whole = await post(f"{NOVA}/converse", {**CONVERSES, **more})
    shape = service.operation_model("Converse").output_shape
    body = orjson.loads(whole)
    parsed = RestJSONParser().parse({"status_code": 200, "headers": headers, "body": whole}, shape)
    assert body.keys() <= shape.members.keys()
    assert parsed["usage"]["totalTokens"]
    _, _, streamed = await post(f"{NOVA}/converse-stream", {**CONVERSES, **more})
    buffer = EventStreamBuffer()
    buffer.add_data(streamed)
    stream = service.operation_model("ConverseStream").output_shape.members["stream"]
    names = [message.headers[":event-type"] for message in buffer]
    assert names[0] == "messageStart"
    assert set(names) <= stream.members.keys()
    parser = EventStreamJSONParser()
    buffer = EventStreamBuffer()
    buffer.add_data(streamed)
    for message in buffer:
        assert parser.parse(message.to_response_dict(), stream)


async def test_converses_errors(post: Callable[..., Any]) -> None:
    status, headers, refused = await post(f"{NOVA}/converse", {**CONVERSES, "seed": 1})
    shape = get_session().get_service_model("bedrock-runtime").operation_model("Converse").output_shape
    parsed = RestJSONParser().parse({"status_code": status, "headers": headers, "body": refused}, shape)
    assert parsed["Error"]["Code"] == "ValidationException"
    assert "extraneous key [seed]" in parsed["Error"]["Message"]
