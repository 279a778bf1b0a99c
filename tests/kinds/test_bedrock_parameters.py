"""What families of models on Bedrock take."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kinds.fitting import lacks, notes, sent


@pytest.mark.parametrize(
    ("model", "kept"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", {"temperature": 0}),
        ("anthropic.claude-opus-4-6-v1", {"temperature": 0}),
        ("anthropic.claude-opus-4-7", {}),
        ("global.anthropic.claude-haiku-5-5", {}),
        ("amazon.nova-lite-v1:0", {"temperature": 0, "top_p": 0.9}),
    ],
)
def test_bedrocks_claudes_take_one_of_two_until_they_take_neither(model: str, kept: dict[str, Any]) -> None:
    assert sent("bedrock", model, temperature=0, top_p=0.9) == kept
    assert sent("bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0", top_p=0.9) == {"top_p": 0.9}


@pytest.mark.parametrize(
    ("model", "given", "taken"),
    [
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "high", None),
        ("anthropic.claude-opus-4-5-20251101-v1:0", "max", "high"),
        ("anthropic.claude-opus-5-5", "none", "low"),
        ("amazon.nova-pro-v1:0", "high", None),
        ("us.amazon.nova-2-lite-v1:0", "high", "medium"),
        ("us.amazon.nova-2-lite-v1:0", "none", "none"),
        ("openai.gpt-oss-120b-1:0", "xhigh", "high"),
        ("meta.llama3-3-70b-instruct-v1:0", "low", None),
    ],
)
def test_bedrocks_models_get_efforts_only_where_they_take_them(model: str, given: str, taken: str | None) -> None:
    assert sent("bedrock", model, reasoning_effort=given).get("reasoning_effort") == taken


def test_nova_2_takes_no_sampling_while_it_reasons() -> None:
    model = "amazon.nova-2-lite-v1:0"
    assert sent("bedrock", model, temperature=0) == {"temperature": 0}
    assert sent("bedrock", model, temperature=0, reasoning_effort="low") == {"reasoning_effort": "low"}
    assert notes("bedrock", model, temperature=0, reasoning_effort="low") == (
        "temperature left out: amazon.nova-2-lite-v1:0 does not take it while it reasons",
    )


def test_few_of_bedrocks_models_can_be_made_to_call_a_tool() -> None:
    assert lacks("bedrock", "meta.llama3-3-70b-instruct-v1:0", tool_choice="required")
    assert lacks("bedrock", "anthropic.claude-sonnet-5-5", tool_choice="required")
    assert lacks("bedrock", "amazon.nova-pro-v1:0", tool_choice="required") is None
