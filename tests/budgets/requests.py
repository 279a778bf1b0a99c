"""Requests of every kind, drawn by a seed: ordinary options, rare ones, and those that cost more than they seem to."""

from __future__ import annotations

from random import Random
from typing import Any

from homa_shared.calls.media import data_url
from tests.media.samples import PDF, PNG

MODELS = {
    "openai": ("gpt-6-luna", "gpt-4o", "gpt-6.1-sol", "o3"),
    "azure": ("deployed", "gpt-5.4"),
    "anthropic": ("claude-haiku-5-5", "claude-opus-5-5"),
    "gemini": ("gemini-3.5-flash", "gemini-2.5-flash-lite"),
    "bedrock": ("us.anthropic.claude-sonnet-4-6", "amazon.nova-2-lite-v1:0", "openai.gpt-oss-120b-1:0"),
    "cohere": ("command-a-03-2025",),
    "mistral": ("mistral-large-latest",),
    "ollama": ("llama4",),
}
_SCHEMA = {"type": "object", "properties": {"file_id": {"type": "string"}, "n": {"type": "integer"}}}
_FUNCTION = {"type": "function", "function": {"name": "look_up", "description": "Finds.", "parameters": _SCHEMA}}
_LONG = "words and more words " * 40

#: Options → values that they may have.
OPTIONS: dict[str, tuple[Any, ...]] = {
    "temperature": (0.2, 1),
    "top_p": (0.9,),
    "seed": (7,),
    "stop": (["end"], "end"),
    "user": ("somebody",),
    "metadata": ({"page": "seven"},),
    "reasoning_effort": ("low", "high"),
    "verbosity": ("low",),
    "logprobs": (True,),
    "top_logprobs": (3,),
    "parallel_tool_calls": (False,),
    "store": (True,),
    "prompt_cache_key": ("k",),
    "max_tokens": (1, 50, 700),
    "max_completion_tokens": (20, 9000),
    "max_output_tokens": (30, 60_000),
    "maxOutputTokens": (50_000,),
    "max_new_tokens": (30_000,),
    "n": (2, 5),
    "candidate_count": (4,),
    "best_of": (8,),
    "num_generations": (5,),
    "samples": (6,),
    "some_settings": ({"deep": {"samples": 9}}, {"style": "plain"}),
    "stored_thing_id": ("abc",),
    "page_url": ("https://example.com/page",),
    "prediction": ({"type": "content", "content": _LONG},),
    "documents": (
        [{"text": _LONG}],
        [{"id": "d1", "data": {"title": "t", "snippet": _LONG}}],
        [{"file_id": "f-1"}],
    ),
    "instructions": (_LONG,),
    "system": (_LONG,),
    "safe_prompt": (True,),
    "tools": (
        [_FUNCTION],
        [_FUNCTION, {"type": "web_search"}],
        [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}],
        [{"google_search": {}}],
        [{"url_context": {}}],
        [{"systemTool": {"name": "nova_grounding"}}],
        [{"name": "plain", "input_schema": _SCHEMA}],
    ),
    "response_format": (
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "shape", "schema": _SCHEMA}},
    ),
    "web_search_options": ({},  {"search_context_size": "high"}),
    "previous_response_id": ("resp_1",),
    "conversation": ("conv_1",),
    "container": ("c_1",),
    "cached_content": ("cachedContents/1",),
    "data_sources": ([{"type": "azure_search"}],),
    "mcp_servers": ([{"type": "url", "url": "https://example.com/mcp"}],),
    "connectors": ([{"id": "web-search"}],),
    "plugins": ([{"id": "web"}],),
    "extra_body": ({"n": 5},),
    "chat_template_kwargs": ({"thinking": True},),
    "keep_alive": ("10m",),
    "top_k": (40,),
    "thinking": ({"type": "enabled", "budget_tokens": 2000},),
}  # fmt: skip


def parts() -> list[Any]:
    """Parts of messages, those that cannot be bounded among them."""
    picture, document = data_url(PNG), data_url(PDF)
    return [
        {"type": "text", "text": _LONG},
        {"type": "image_url", "image_url": {"url": picture}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/film.mp4"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": document, "filename": "a.pdf"}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": _LONG}},
        {"type": "container_upload", "file_id": "file-2"},
        {"file_data": {"file_uri": "https://example.com/files/1"}},
    ]


def drawn(random: Random) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Messages and parameters of one request."""
    content: Any = random.choice(("Hello", _LONG, "é" * 300, "x"))
    if random.random() < 0.35:
        content = [{"type": "text", "text": "See:"}, *random.sample(parts(), random.choice((1, 1, 2)))]
    messages: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]
    if random.random() < 0.2:
        call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"name": "Ada"}'}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": _LONG},
        ]
    names = random.sample(sorted(OPTIONS), random.choice((0, 1, 2, 2, 3, 5)))
    return messages, {name: random.choice(OPTIONS[name]) for name in names}
