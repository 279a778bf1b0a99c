"""Counts are exact where an encoding is public, and honest estimates elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from homa_shared.calls import tokens
from homa_shared.calls.tokens import (
    TOKENS_OF_PRIMING,
    TOKENS_PER_IMAGE,
    TOKENS_PER_MESSAGE,
    Count,
    count,
    encoding_of,
    estimate_messages,
)


@pytest.fixture
def without_splintr(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def missing(name: str) -> Any:
        raise ImportError(name)

    tokens._encoder.cache_clear()
    tokens._tokenizer.cache_clear()
    monkeypatch.setattr(tokens, "import_module", missing)
    yield
    tokens._encoder.cache_clear()
    tokens._tokenizer.cache_clear()


# Published examples of the two encodings.
@pytest.mark.parametrize(
    ("text", "model", "length"),
    [
        ("tiktoken is great!", "gpt-4", 6),
        ("hello world", "gpt-5-mini", 2),
        ("antidisestablishmentarianism", "gpt-4", 6),
        ("2 + 2 = 4", "gpt-4", 7),
        ("お誕生日おめでとう", "gpt-4", 9),
        ("お誕生日おめでとう", "gpt-4o", 8),
        ("", "gpt-5", 0),
    ],
)
def test_openai_text_is_counted_exactly(text: str, model: str, length: int) -> None:
    assert count(text, model) == Count(length, exact=True)


def test_a_prompt_that_spells_a_control_token_is_counted_as_text() -> None:
    assert count("<|endoftext|>", "gpt-5").tokens > 1


def test_half_a_surrogate_pair_does_not_stop_the_count() -> None:
    assert count("broken \ud800 json", "gpt-5").tokens > 0


def test_other_models_are_estimated_by_the_factor_that_the_caller_learned() -> None:
    plain = count("The quick brown fox jumps over the lazy dog.", "claude-haiku-4-5")
    scaled = count("The quick brown fox jumps over the lazy dog.", "claude-haiku-4-5", factor=1.5)
    assert plain == Count(10, exact=False)
    assert scaled == Count(15, exact=False)


@pytest.mark.usefixtures("without_splintr")
def test_without_splintr_a_token_is_four_bytes() -> None:
    assert count("x" * 41, "gpt-5") == Count(11, exact=False)
    assert count("é" * 40, "mistral", factor=1.5) == Count(30, exact=False)


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("openai:gpt-5-mini", "o200k_base"),
        ("azure:gpt-35-turbo", "cl100k_base"),
        ("openai/gpt-oss-120b", "o200k_base"),
        ("ft:gpt-4o-mini:org::id", "o200k_base"),
        ("openai:ft:gpt-4o-mini:org::id", "o200k_base"),
        ("o3", "o200k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("claude-haiku-4-5", None),
        ("ollama:llama3.2", None),
        ("gemini-2.5-pro", None),
    ],
)
def test_a_model_has_the_encoding_that_its_maker_publishes(model: str, encoding: str | None) -> None:
    assert encoding_of(model) == encoding


def test_messages_carry_the_chat_templates_tokens() -> None:
    prompt = [{"role": "user", "content": "hello world"}]
    # 2 tokens of text, 1 of the role, 1 of the line between them.
    assert estimate_messages(prompt, "gpt-5") == TOKENS_OF_PRIMING + TOKENS_PER_MESSAGE + 4
    assert count(prompt, "gpt-5") == Count(estimate_messages(prompt, "gpt-5"), exact=False)


def test_every_part_of_a_prompt_is_counted() -> None:
    bare: list[dict[str, Any]] = [{"role": "user", "content": []}]
    base = estimate_messages(bare, "gpt-5")

    def more(part: dict[str, Any]) -> int:
        return estimate_messages([{"role": "user", "content": [part]}], "gpt-5") - base

    assert more({"type": "text", "text": "hello world"}) >= 2
    assert more({"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9000}}) == TOKENS_PER_IMAGE
    assert more({"type": "file", "file": {"file_data": "A" * 40_000}}) == pytest.approx(1200, abs=10)
    assert more({"type": "something_new", "value": "hello world"}) > 5


def test_names_tools_and_tool_calls_are_counted() -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}
    assert estimate_messages([call], "gpt-5") > estimate_messages([{"role": "assistant", "content": None}], "gpt-5")
    asked: list[dict[str, Any]] = [{"role": "user", "name": "ada", "content": {"odd": "shape"}}]
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    assert estimate_messages(asked, "gpt-5", tools=tools) > estimate_messages(asked, "gpt-5")
