"""A client and a worker give the same need for the same conversation, whatever it holds and whoever is called."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homa.submit.encoded_messages import Prepared
from homa.submit.fleet_view import FleetView
from homa.submit.options import check_options
from homa.submit.template import Template
from homa_shared.calls.media import data_url, restored
from homa_shared.calls.reply import CHAT_API, RESPONSES_API, Call, Completion, Embeddings, Usage
from homa_shared.calls.request import EMBEDDING, JobRequest, Option, to_json
from homa_shared.model.tokens import NO_TOKENS, Tokens
from homa_shared.settings.fleet import Fleet
from homa_shared.store.client import AsyncStore
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.fleet.vector_cache import VectorCache
from homa_workers.pipeline.call import Caller
from homa_workers.pipeline.steps import Chat, Embedding
from homa_workers.pipeline.steps.journal import StepJournal
from homa_workers.tools.toolbox import Toolbox
from tests.media.samples import GIF, JPEG, PDF, PNG
from tests.steps.cell import by_schema

#: A target of each kind: every policy of reservation, with and without a public encoding, priced and unpriced.
TARGETS = (
    "openai:gpt-6-luna",
    "openai:gpt-3.5-turbo",
    "azure:gpt-6-luna",
    "anthropic:claude-haiku-5-5",
    "gemini:gemini-3.5-flash-lite",
    "bedrock:anthropic.claude-haiku-4-5-20251001-v1:0",
    "cohere:command-a-03-2025",
    "ollama:llama3.3",
)
EMBEDDERS = ("openai:text-embedding-3-small", "gemini:gemini-embedding-001", "cohere:embed-v4.0", "ollama:mini")
LIMITS: tuple[dict[str, int], ...] = (
    {},
    {"tpm": 100_000},
    {"input_tpm": 9000, "output_tpm": 5000},
    {"output_tpm": 100_000},
)


def fleet_with(limits: Mapping[str, int]) -> Fleet:
    kinds = {target.partition(":")[0] for target in (*TARGETS, *EMBEDDERS)}
    return Fleet.model_validate({"providers": {kind: {"kind": kind, "limits": limits} for kind in kinds}})


def function(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}


def document(data: bytes) -> dict[str, Any]:
    return {"type": "file", "file": {"filename": "a.pdf", "file_data": data_url(data)}}


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40) | st.just("some words " * 300)
PARTS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT),
    st.sampled_from([image(data_url(data)) for data in (PNG, GIF, JPEG, PDF)]),
    st.sampled_from([image("https://example.com/ä.png"), {"type": "image_url", "image_url": "https://example.com/b"}]),
    st.integers(0, 5000).map(lambda size: document(PDF + b"\0" * size)),
    st.sampled_from([document(PNG), {"type": "file", "file": {"file_id": "file-1"}}]),
    st.sampled_from(["", "QUJDRA=="]).map(lambda data: {"type": "input_audio", "input_audio": {"data": data}}),
)
CALLED = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"name": "Ada"}'}}
MESSAGES = st.one_of(
    st.builds(lambda text: {"role": "user", "content": text}, TEXT),
    st.builds(lambda parts: {"role": "user", "name": "ada", "content": parts}, st.lists(PARTS, min_size=1, max_size=4)),
    st.just({"role": "assistant", "content": None, "tool_calls": [CALLED]}),
    st.builds(lambda text: {"role": "tool", "tool_call_id": "c1", "content": text}, TEXT),
    st.builds(lambda text: {"role": "system", "content": text}, TEXT),
)
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "max_tokens": st.integers(1, 5000),
        "max_completion_tokens": st.integers(1, 5000),
        "n": st.integers(1, 4),
        "temperature": st.just(0.5),
        "tools": st.lists(st.sampled_from([function("look_up"), {"type": "web_search"}]), min_size=1, max_size=2),
        "functions": st.just([{"name": "old", "parameters": {}}]),
        "instructions": TEXT,
        "previous_response_id": st.just("resp_1"),
        "response_format": st.just(by_schema()["response_format"]),
    },
)


class Stopped(Exception):
    """The call is as far as a test goes."""


class Journal:
    """What a worker's steps see of an attempt and of its accounts with the store.

    Args:
        request: what the attempt is at.
        number: how many calls it has made.
        reserved: by take, for its first.
    """

    def __init__(
        self,
        target: str,
        fleet: Fleet,
        factor: float,
        request: JobRequest,
        *,
        number: int = 1,
        reserved: Tokens = NO_TOKENS,
    ) -> None:
        self.number = number
        claim = SimpleNamespace(target=target, fallbacks_left=0, tenant="", cache_key="", tags="", tokens=reserved)
        self.attempt = SimpleNamespace(claim=claim, request=request)
        self.book = FleetBook(cast(AsyncStore, None), fleet)
        self.book._factors = {target: factor}
        self.needs: list[Option | None] = []
        self.tally = None

    async def resume(self) -> list[bytes]:
        return []

    async def follow_settings(self) -> None:
        """They do not change here."""

    async def allow(self, need: Option | None, *, less: bool = False, why: str = "") -> None:
        self.needs.append(need)

    async def record(self, completion: Completion, state: bytes) -> None:
        self.number += 1

    async def between(self, work: Any) -> Any:
        return await work


class ChatCaller:
    """Takes the first call, and goes no further."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def prepare(self, _attempt: object, call: Call) -> tuple[Call, bool]:
        return call, False

    async def complete(self, _attempt: object, call: Call) -> Completion:
        self.calls.append(call)
        raise Stopped


class EmbeddingCaller:
    """Embeds whatever it is called for."""

    def __init__(self) -> None:
        self.parts: list[list[str]] = []

    async def embed(self, _attempt: object, model: str, part: list[str], _params: dict[str, Any]) -> Embeddings:
        self.parts.append(part)
        return Embeddings([[1.0]] * len(part), model, Usage())


def at_worker(journal: Journal) -> tuple[Option | None, Call]:
    """What the worker reserves for its next call, and that call."""
    caller = ChatCaller()
    with pytest.raises(Stopped):
        asyncio.run(Chat(cast(StepJournal, journal), Toolbox(), cast(Caller, caller)).answer())
    return journal.needs[0], caller.calls[0]


def embedding_journal(target: str, fleet: Fleet, factor: float, texts: list[str], **reserved: Any) -> Journal:
    request = JobRequest([], {}, (Option(target),), kind=EMBEDDING, inputs=texts)
    return Journal(target, fleet, factor, request, **reserved)


def embedded(journal: Journal) -> list[list[str]]:
    """The texts of each call that a worker makes to embed them all."""
    caller = EmbeddingCaller()
    embedding = Embedding(cast(StepJournal, journal), cast(Caller, caller), cast(VectorCache, None))
    asyncio.run(embedding.answer())
    return caller.parts


def at_client(
    target: str, fleet: Fleet, factor: float, prepared: Prepared, params: Mapping[str, Any], api: str
) -> tuple[Option, JobRequest]:
    """What a client reserves for a request, and that request as it is stored."""
    view = FleetView(fleet)
    view.factors = {target: factor}
    options = replace(check_options({"model": target, "api": api}), params=dict(params))
    request = JobRequest.decode(Template(view, options).entry("j", prepared).request)
    return request.options[0], request


@settings(deadline=None, max_examples=300)
@given(
    target=st.sampled_from(TARGETS),
    limits=st.sampled_from(LIMITS),
    factor=st.sampled_from([0.5, 1.0, 1.5, 3.9]),
    api=st.sampled_from([CHAT_API, RESPONSES_API]),
    messages=st.lists(MESSAGES, min_size=1, max_size=5),
    params=PARAMS,
)
def test_a_conversation_needs_the_same_at_client_and_worker(
    target: str, limits: dict[str, int], factor: float, api: str, messages: list[Any], params: dict[str, Any]
) -> None:
    fleet, prepared = fleet_with(limits), Prepared.of(messages)
    need, request = at_client(target, fleet, factor, prepared, params, api)
    whole = restored(request.messages, {digest: medium.data for digest, medium in prepared.media.items()})
    if not prepared.media:
        whole = request.messages
    reserved, call = at_worker(Journal(target, fleet, factor, replace(request, messages=whole)))
    # A schema that the provider does not take as a parameter has become a message.
    same, _ = at_client(target, fleet, factor, Prepared.of(call.messages), call.params, api)
    assert reserved == same
    if "response_format" not in params:
        assert reserved == need


@settings(deadline=None, max_examples=100)
@given(
    target=st.sampled_from(EMBEDDERS),
    limits=st.sampled_from(LIMITS),
    factor=st.sampled_from([0.5, 1.0, 1.5]),
    texts=st.lists(TEXT, min_size=1, max_size=300),
)
def test_texts_are_split_and_need_the_same_at_client_and_worker(
    target: str, limits: dict[str, int], factor: float, texts: list[str]
) -> None:
    fleet = fleet_with(limits)
    journal = embedding_journal(target, fleet, factor, texts)
    parts = embedded(journal)
    assert [text for part in parts for text in part] == texts
    left = texts
    for part, reserved in zip(parts, journal.needs, strict=True):
        prepared = Prepared(to_json(left, "texts"), [], inputs=left)
        need, _ = at_client(target, fleet, factor, prepared, {}, CHAT_API)
        assert reserved == need
        left = left[len(part) :]


@pytest.mark.parametrize(("learned_later", "asks_again"), [(1.05, False), (1.0, False), (1.5, True)])
def test_texts_go_ahead_with_what_was_reserved_where_the_factor_hardly_moved(
    learned_later: float, asks_again: bool
) -> None:
    """The quota is asked again only where the client, by what was known at submit, reserved far too little."""
    target, texts, fleet = "gemini:gemini-embedding-001", ["some words " * 100], fleet_with({"tpm": 100_000})
    prepared = Prepared(to_json(texts, "texts"), [], inputs=texts)
    reserved = at_client(target, fleet, 1.0, prepared, {}, CHAT_API)[0].tokens
    journal = embedding_journal(target, fleet, learned_later, texts, number=0, reserved=reserved)
    embedded(journal)
    (need,) = journal.needs
    assert need is not None
    assert (need.tokens > reserved) is asks_again
