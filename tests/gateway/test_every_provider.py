"""Each kind of provider answers the official clients: chats, streams, tools, messages, responses, embeddings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from homa_shared.store import reads
from homa_workers.simulator import SimulatorThread
from tests.fixtures.store import eventually
from tests.gateway.conftest import DEFAULTS, Cell, cell_at

#: Provider -> model, and one of embeddings.
MODELS = {
    "azure": ("gpt-5.4-mini", "text-embedding-3-small"),
    "gemini": ("gemini-3.5-flash", "gemini-embedding-001"),
    "ollama": ("qwen3-vl:8b", "nomic-embed-text"),
    "bedrock": ("anthropic.claude-haiku-4-5-20251001-v1:0", "amazon.titan-embed-text-v2:0"),
    "mistral": ("mistral-small-latest", "mistral-embed"),
    "cohere": ("command-a-vision-07-2025", "embed-v4.0"),
}
TOML = """
[providers.azure]
kind = "azure"
api_key = "k"
base_url = "{url}/resource/openai/v1"
[providers.gemini]
kind = "gemini"
api_key = "k"
base_url = "{url}/gemini"
[providers.ollama]
kind = "ollama"
base_url = "{url}/ollama/v1"
[providers.bedrock]
kind = "bedrock"
base_url = "{url}/bedrock"
options = {{ region = "us-east-1", aws_access_key_id = "any", aws_secret_access_key = "any" }}
[providers.mistral]
kind = "mistral"
api_key = "k"
base_url = "{url}/mistral/v1"
[providers.cohere]
kind = "cohere"
api_key = "k"
base_url = "{url}/compatibility/v1"
"""
EACH = pytest.mark.parametrize("provider", MODELS)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.fixture(scope="module")
def cell(
    session_store_url: str, simulator: SimulatorThread, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cell]:
    simulator.configure(**DEFAULTS)
    home = tmp_path_factory.mktemp("home")
    with cell_at(session_store_url, simulator, home) as cell:
        (home / "homa.toml").write_text(TOML.format(url=simulator.url))
        command = [sys.executable, "-m", "homa_workers", *MODELS, "--until-stdin-closes"]
        env = {**os.environ, **cell.env}
        cell.workers.append(subprocess.Popen(command, stdin=subprocess.PIPE, env=env))
        eventually(lambda: all(cell.store.run(reads.live_workers(cell.store.keys, name)) for name in MODELS))
        cell.start_gateway()
        yield cell


def model(provider: str) -> str:
    return f"{provider}:{MODELS[provider][0]}"


@EACH
def test_a_chat_and_a_stream(cell: Cell, provider: str) -> None:
    ask: Any = {"model": model(provider), "messages": [{"role": "user", "content": "say this"}], "max_tokens": 50}
    found = cell.openai().chat.completions.create(**ask)
    assert found.choices[0].message.content == "say this"
    with cell.openai().chat.completions.stream(**ask, stream_options={"include_usage": True}) as stream:
        for _ in stream:
            pass
        last = stream.get_final_completion()
    assert last.choices[0].message.content == "say this"
    assert last.usage is not None
    assert last.usage.completion_tokens > 0


def ask_for_tool(cell: Cell, provider: str) -> Any:
    return cell.openai().chat.completions.create(
        model=model(provider),
        messages=[{"role": "user", "content": "weather?"}],
        tools=[{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}],
        tool_choice="required",
        max_tokens=200,
    )


@pytest.mark.parametrize("provider", sorted(MODELS.keys() - {"ollama"}))
def test_tools_in_the_words_of_each_api(cell: Cell, provider: str) -> None:
    assert ask_for_tool(cell, provider).choices[0].message.tool_calls
    message = cell.anthropic().messages.create(
        model=model(provider),
        messages=[{"role": "user", "content": "weather?"}],
        tools=[{"name": "weather", "input_schema": SCHEMA}],
        tool_choice={"type": "any"},
        max_tokens=200,
    )
    assert [block.name for block in message.content if block.type == "tool_use"] == ["weather"]
    response = cell.openai().responses.create(
        model=model(provider),
        input="weather?",
        tools=[{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}],
        tool_choice="required",
        max_output_tokens=200,
    )
    assert [item.name for item in response.output if item.type == "function_call"] == ["weather"]


def test_what_a_provider_cannot_do_is_told_before_anything_is_called(cell: Cell) -> None:
    with pytest.raises(openai.BadRequestError, match="cannot be made to call a tool"):
        ask_for_tool(cell, "ollama")


@EACH
def test_vectors(cell: Cell, provider: str) -> None:
    found = cell.openai().embeddings.create(
        model=f"{provider}:{MODELS[provider][1]}", input=["one", "two"], encoding_format="float"
    )
    assert [len(item.embedding) > 0 for item in found.data] == [True, True]
