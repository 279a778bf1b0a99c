"""What families of Claude take."""

from __future__ import annotations

import pytest

from tests.kinds.fitting import BEGUN, FORCED, USER, lacks, notes, sent


@pytest.mark.parametrize("model", ["claude-haiku-4-5-20251001", "claude-opus-4-6"])
def test_claude_up_to_4_6_takes_temperature_or_top_p(model: str) -> None:
    assert sent("anthropic", model, temperature=0, max_tokens=9) == {"temperature": 0, "max_tokens": 9}
    assert sent("anthropic", model, temperature=0, top_p=0.9) == {"temperature": 0}
    assert notes("anthropic", model, temperature=0, top_p=0.9) == (
        f"top_p left out: {model} does not take it beside temperature",
    )


@pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-opus-5", "claude-haiku-5-5", "claude-fable-5-2"])
def test_claude_takes_no_sampling(model: str) -> None:
    assert sent("anthropic", model, temperature=0, top_p=0.9, top_k=5, max_tokens=9) == {"max_tokens": 9}
    assert notes("anthropic", model, temperature=0) == (f"temperature left out: {model} does not take it",)


def test_claude_takes_names_of_its_own_and_none_of_openais() -> None:
    own = {"thinking": {"type": "adaptive"}, "cache_control": {"type": "ephemeral"}, "speed": "fast", "stop": "END"}
    foreign = {"prompt_cache_retention": "24h", "web_search_options": {}, "seed": 1, "logit_bias": {}}
    assert sent("anthropic", "claude-opus-5-5", **own, **foreign) == own
    assert len(notes("anthropic", "claude-opus-5-5", **own, **foreign)) == len(foreign)
    assert sent("anthropic", "claude-opus-5-5", service_tier="fast") == {}
    assert sent("anthropic", "claude-opus-5-5", service_tier="default") == {"service_tier": "default"}


@pytest.mark.parametrize(
    ("model", "given", "taken"),
    [
        ("claude-opus-5-5", "none", "low"),
        ("claude-fable-5-2", "none", "low"),
        ("claude-opus-7", "none", "low"),
        ("claude-sonnet-5-5", "none", "none"),
        ("claude-haiku-5-5", "none", "none"),
        ("claude-opus-5", "minimal", "low"),
        ("claude-opus-4-6", "xhigh", "high"),
        ("claude-opus-4-6", "max", "max"),
        ("claude-opus-4-7", "xhigh", "xhigh"),
        ("claude-3-5-sonnet-20241022", "high", None),
    ],
)
def test_claude_thinks_by_the_efforts_that_its_family_knows(model: str, given: str, taken: str | None) -> None:
    assert sent("anthropic", model, reasoning_effort=given).get("reasoning_effort") == taken


def test_older_claudes_do_not_think_while_a_tool_must_be_called() -> None:
    assert sent("anthropic", "claude-haiku-4-5", reasoning_effort="high", tool_choice="required") == {
        "tool_choice": "required"
    }


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("claude-haiku-4-5", True),
        ("claude-opus-5", True),
        ("claude-haiku-5-5", True),
        ("claude-sonnet-5-5", False),
        ("claude-opus-5-5", False),
        ("claude-fable-5-1", False),
    ],
)
@pytest.mark.parametrize("choice", ["required", FORCED, {"type": "any"}])
def test_some_claudes_cannot_be_made_to_call_a_tool(model: str, takes: bool, choice: object) -> None:
    assert (lacks("anthropic", model, tool_choice=choice) is None) == takes
    assert lacks("anthropic", model, tool_choice="auto") is None


def test_newer_claudes_do_not_go_on_from_the_beginning_of_an_answer() -> None:
    assert lacks("anthropic", "claude-haiku-4-5", USER, BEGUN) is None
    assert lacks("anthropic", "claude-opus-4-6", USER, BEGUN)
    assert lacks("anthropic", "claude-haiku-5-5", USER, BEGUN)
    assert lacks("anthropic", "claude-haiku-5-5", USER, BEGUN, USER) is None


def test_claude_gives_one_answer_a_call() -> None:
    assert lacks("anthropic", "claude-opus-5-5", n=2) == "claude-opus-5-5 gives one answer a call"
    assert lacks("anthropic", "claude-opus-5-5", n=1) is None
