"""Recorded requests, and what the judges of requests see in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.matrix.judges import faults_of

GOLDEN = Path(__file__).parents[1] / "providers" / "golden"
#: Recorded calls that no provider could take: what their callers got wrong, or what only some server of one's own has.
MISTAKEN = (
    "a_part_of_an_unknown_type", "a_part_without_a_type", "a_content_that_is_a_number", "a_part_that_is_a_number",
    "an_unknown_role", "a_function_message", "an_unknown_tool_choice", "a_tool_of_the_provider", "no_messages",
    "metadata", "a_parameter_of_the_provider", "a_tool_call_without_a_function",
)  # fmt: skip
#: Those that OpenAI has no shape for: no family of models was asked what it takes (kinds/families does that).
NOT_FITTED = {"openai": ("sampling", "a_tool_result_with_an_image"), "responses": ("sampling",)}


def recorded() -> list[tuple[str, str]]:
    found = []
    for path in sorted(GOLDEN.glob("requests_*.json")):
        shape = path.stem.partition("_")[2]
        left_out = (*MISTAKEN, *NOT_FITTED.get(shape, ()))
        found += [(shape, name) for name in orjson.loads(path.read_bytes()) if name not in left_out]
    return found


@pytest.mark.parametrize(("shape", "name"), recorded())
def test_what_was_recorded_is_what_the_sdks_types_know(shape: str, name: str) -> None:
    request: dict[str, Any] = orjson.loads((GOLDEN / f"requests_{shape}.json").read_bytes())[name]
    if "body" in request:
        kind = "openai" if shape == "responses" else shape
        assert faults_of(kind, request["path"].partition("?")[0], request["body"]) == []


USER = {"role": "user", "content": "x"}
GEMINIS = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
CONVERSES = {"messages": [{"role": "user", "content": [{"text": "x"}]}]}


@pytest.mark.parametrize(
    ("kind", "path", "body", "fault"),
    [
        ("openai", "/v1/chat/completions", {"model": "m", "messages": [USER], "top_k": 1}, "body.top_k: unknown"),
        ("openai", "/v1/chat/completions", {"model": "m"}, "body.messages: missing"),
        ("openai", "/v1/chat/completions", {"model": "m", "messages": [{**USER, "x": 1}]}, "body.messages[0].x: unkn"),
        ("openai", "/v1/chat/completions", {"model": "m", "messages": [USER], "reasoning_effort": 3}, "effort: 3 is"),
        ("openai", "/v1/responses", {"model": "m", "input": [USER], "stop": "x"}, "body.stop: unknown"),
        ("openai", "/v1/embeddings", {"model": "m", "input": ["a"], "input_type": "x"}, "body.input_type: unknown"),
        ("anthropic", "/v1/messages", {"model": "m", "messages": [USER]}, "body.max_tokens: missing"),
        ("anthropic", "/v1/messages", {"model": "m", "messages": [USER], "max_tokens": 9, "seed": 1}, "seed: unknown"),
        ("gemini", "/v1beta/models/m:generateContent", {**GEMINIS, "generationConfig": {"n": 1}}, "generationConfig.n"),
        ("gemini", "/v1beta/models/m:generateContent", {**GEMINIS, "labels": {}}, 'Unknown name "labels"'),
        ("bedrock", "/model/amazon.nova-lite-v1%3A0/converse", {**CONVERSES, "seed": 1}, "Unknown parameter in input"),
        (
            "bedrock",
            "/model/amazon.nova-lite-v1%3A0/converse",
            {**CONVERSES, "additionalModelRequestFields": {"top_k": 3}},
            "additionalModelRequestFields.top_k: extraneous",
        ),
        ("cohere", "/v1/chat/completions", {"model": "m", "messages": [USER], "n": 1}, "body.n: not supported"),
        ("ollama", "/v1/chat/completions", {"model": "m", "messages": [USER], "n": 1}, "body.n: ignored"),
        ("mistral", "/v1/chat/completions", {"model": "m", "messages": [USER], "seed": 1}, "body.seed: Extra inputs"),
    ],
)
def test_a_judge_names_what_its_provider_does_not_take(kind: str, path: str, body: dict[str, Any], fault: str) -> None:
    assert any(fault in found for found in faults_of(kind, path, body)), faults_of(kind, path, body)
