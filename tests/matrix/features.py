"""The support matrix: what each feature's proof is, at whatever end of the wire answers.

A proof makes a real call through the adapter and the provider's own SDK and looks at what came back. The same proofs
run against the simulated providers, against real ones (`make test-live`), and against other people's mocks
(`make test-peers`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from homa_shared.calls.media import data_url
from homa_shared.calls.reply import CHAT_API, Call, Completion, Delta
from homa_shared.capabilities import Feature
from homa_shared.kinds.registry import profile_of
from homa_workers.providers.base import Provider
from tests.media.samples import PDF, png

#: Columns of the matrix: title -> feature in homa_shared.capabilities; None for what every adapter must do.
COLUMNS: Mapping[str, Feature | None] = {
    "chat": Feature.CHAT,
    "stream": Feature.STREAM,
    "tools": Feature.TOOLS,
    "images by data": Feature.VISION,
    "images by URL": Feature.IMAGE_URL,
    "pdf": Feature.PDF,
    "schema": Feature.SCHEMA,
    "embeddings": Feature.EMBEDDINGS,
    "count": Feature.COUNT,
    "cancel": None,
}
#: What is neither Chat Completions nor Responses.
_OF_NO_API = (Feature.EMBEDDINGS, Feature.COUNT)
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
#: Of a size that real models accept.
IMAGE = png(64, 64)


@dataclass(frozen=True, slots=True)
class Models:
    """What is asked of one end of the wire."""

    chat: str
    embedding: str = ""
    #: Address of an image that the provider can reach.
    image_url: str = "https://example.com/red.png"
    #: Whether the other end counts tokens, as providers do and some mocks do not.
    counts: bool = True
    #: Which of OpenAI's APIs is asked.
    api: str = CHAT_API


def kind_of(row: str) -> str:
    """The kind of provider of a row, which may be `kind/api`."""
    return row.partition("/")[0]


def api_of(row: str) -> str:
    return row.partition("/")[2] or CHAT_API


def asked_of(row: str) -> list[str]:
    """The columns of a row; those of another API of a kind leave out what is asked in no other way."""
    return [column for column in COLUMNS if api_of(row) == CHAT_API or COLUMNS[column] not in _OF_NO_API]


def offered(row: str, column: str) -> bool:
    """Whether a kind of provider offers a feature at all."""
    feature = COLUMNS[column]
    return feature is None or feature in profile_of(kind_of(row)).features


def ask(models: Models, content: object, **params: Any) -> Call:
    params = {"max_tokens": 200, **params}
    return Call(models.chat, [{"role": "user", "content": content}], params, api=models.api)


def shows(part: dict[str, Any], text: str = "Which colour is it? One word.") -> list[dict[str, Any]]:
    return [part, {"type": "text", "text": text}]


async def chat(provider: Provider, models: Models) -> None:
    completion = await provider.complete(ask(models, "Say hello."))
    assert completion.text
    assert completion.finish_reason in ("stop", "length")
    # Some imitations tell noughts, which count nothing.
    assert completion.metered or not models.counts
    assert not models.counts or completion.usage.input_tokens > 0
    assert not models.counts or completion.usage.output_tokens > 0


async def stream(provider: Provider, models: Models) -> None:
    pieces: list[str] = []

    async def emit(delta: Delta) -> None:
        pieces.append(delta.text)

    completion = await provider.stream(ask(models, "Count from one to ten in words."), emit)
    assert completion.text == "".join(pieces)
    assert len([piece for piece in pieces if piece]) > 1
    assert not models.counts or completion.usage.output_tokens > 0


async def tools(provider: Provider, models: Models) -> None:
    asked = "What is the weather in Oslo? Use the tool."
    completion = await provider.complete(ask(models, asked, tools=[TOOL], tool_choice="required"))
    (call, *_) = completion.body["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert isinstance(orjson.loads(call["function"]["arguments"])["city"], str)
    assert completion.finish_reason == "tool_calls"
    told = {"role": "tool", "tool_call_id": call["id"], "content": '{"celsius": 3}'}
    answered = completion.body["choices"][0]["message"]
    conversation = [{"role": "user", "content": asked}, answered, told]
    again = Call(models.chat, conversation, {"max_tokens": 200, "tools": [TOOL]}, api=models.api)
    assert (await provider.complete(again)).text


async def _seen(provider: Provider, models: Models, part: dict[str, Any], text: str) -> Completion:
    """A reply to a prompt with a medium, which counts more tokens than the prompt alone."""
    alone = await provider.complete(ask(models, [{"type": "text", "text": text}]))
    completion = await provider.complete(ask(models, shows(part, text)))
    assert completion.text
    assert not models.counts or completion.usage.input_tokens > alone.usage.input_tokens + 10
    return completion


async def images_by_data(provider: Provider, models: Models) -> None:
    part = {"type": "image_url", "image_url": {"url": data_url(IMAGE)}}
    await _seen(provider, models, part, "Which colour is it? One word.")


async def images_by_url(provider: Provider, models: Models) -> None:
    part = {"type": "image_url", "image_url": {"url": models.image_url}}
    await _seen(provider, models, part, "What is it? One word.")


async def pdf(provider: Provider, models: Models) -> None:
    part = {"type": "file", "file": {"filename": "paper.pdf", "file_data": data_url(PDF)}}
    await _seen(provider, models, part, "Is there text in it? One word.")


async def schema(provider: Provider, models: Models) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": SCHEMA}}
    completion = await provider.complete(
        ask(models, "Name the largest city of Norway as JSON.", response_format=wanted)
    )
    answer = orjson.loads(completion.text)
    assert answer.keys() == {"city", "people"}
    assert isinstance(answer["people"], int)


async def embeddings(provider: Provider, models: Models) -> None:
    found = await provider.embed(models.embedding, ["a cat", "a dog", "a cat"], {})
    first, second, third = found.vectors
    assert len(first) == len(second) > 1
    assert first == third or sum(abs(a - b) for a, b in zip(first, third, strict=True)) < 0.01 * len(first)


async def count(provider: Provider, models: Models) -> None:
    tokens = await provider.count(ask(models, "Hello " * 100))
    assert tokens is not None
    assert 20 < tokens < 2000


#: Column -> its proof; `cancel` needs an end that can wait (see test_matrix.py).
PROOFS: Mapping[str, Callable[[Provider, Models], Awaitable[None]]] = {
    "chat": chat,
    "stream": stream,
    "tools": tools,
    "images by data": images_by_data,
    "images by URL": images_by_url,
    "pdf": pdf,
    "schema": schema,
    "embeddings": embeddings,
    "count": count,
}
