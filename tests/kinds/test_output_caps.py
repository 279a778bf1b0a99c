"""The output cap of a call that sets none: plain models keep 4096, those that think first get room for it."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.kinds.output_caps import default_cap, output_family


@pytest.mark.parametrize(
    "model",
    [
        *(
            "gpt-4o-mini",
            "gpt-5-chat-latest",
            "gpt-5.2",
            "gpt-5.4-mini",
            "claude-sonnet-4-5-20250929",
            "claude-opus-4-8",
        ),
        *("us.anthropic.claude-haiku-4-5-20251001-v1:0", "gemini-2.5-flash-lite", "mistral-small-latest", "llama3"),
        *("command-r-plus", "amazon.nova-2-lite-v1:0", "some-deployment", "grok-4-fast-non-reasoning"),
    ],
)
def test_a_model_that_does_not_think_keeps_the_plain_cap(model: str) -> None:
    assert default_cap(model, {}) == 4096


@pytest.mark.parametrize(
    "model",
    [
        *("gpt-5-mini", "gpt-5.5", "gpt-6-luna", "us.openai.gpt-6-sol", "gpt-6.2-astra", "o4-mini", "ft:gpt-5-mini:me"),
        *("claude-sonnet-5", "claude-opus-5-5", "anthropic.claude-haiku-5-5", "claude-fable-5-1", "gemini-2.5-pro"),
        *("gemini-4-neon", "models/gemini-flash-latest", "openai/gpt-oss-120b", "deepseek-r1:8b", "magistral-medium"),
        *("x-ai/grok-4-fast", "kimi-k2-thinking", "zai/glm-4.6"),
    ],
)
def test_a_model_that_thinks_first_gets_room_for_it(model: str) -> None:
    assert default_cap(model, {}) == 32_768


@pytest.mark.parametrize(
    ("model", "params", "cap"),
    [
        ("gpt-6-luna", {"reasoning_effort": "none"}, 4096),
        ("gpt-6-luna", {"reasoning_effort": "low"}, 16_384),
        ("gpt-6-luna", {"reasoning_effort": "xhigh"}, 65_536),
        # It cannot be kept from thinking: its effort is then the least.
        ("gpt-6-astra", {"reasoning_effort": "none"}, 16_384),
        ("gpt-5.2", {"reasoning_effort": "medium"}, 32_768),
        ("mistral-medium-latest", {"reasoning_effort": "high"}, 32_768),
        ("some-deployment", {"reasoning_effort": "high"}, 32_768),
        ("some-deployment", {"reasoning_effort": "none"}, 4096),
        ("claude-opus-4-6", {"thinking": {"type": "adaptive"}}, 32_768),
        ("claude-sonnet-5", {"thinking": {"type": "disabled"}}, 4096),
        ("claude-sonnet-4-5", {"thinking": {"type": "enabled", "budget_tokens": 40_000}}, 44_096),
        ("gemini-2.5-flash", {"reasoning_effort": "none"}, 4096),
    ],
)
def test_the_effort_says_how_much(model: str, params: dict[str, Any], cap: int) -> None:
    assert default_cap(model, params) == cap


@pytest.mark.parametrize(
    ("model", "most"),
    [("claude-opus-4-1", 32_000), ("claude-sonnet-4-5", 64_000), ("gemini-4-argon", 32_768), ("o3", 65_536)],
)
def test_it_is_never_above_what_the_model_can_write(model: str, most: int) -> None:
    assert output_family(model).most == most
    assert default_cap(model, {"reasoning_effort": "max"}) == most


def test_it_leaves_room_in_the_window_and_in_a_quota_that_counts_it() -> None:
    assert default_cap("gpt-oss-20b", {}, window=32_000) == 16_000
    assert default_cap("gpt-oss-20b", {}, window=4000) == 4096
    assert default_cap("gpt-5-mini", {}, counted_quota=600_000) == 20_000
    assert default_cap("gpt-5-mini", {}, counted_quota=30_000) == 4096
