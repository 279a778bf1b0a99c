"""What families of Gemini take."""

from __future__ import annotations

import pytest

from tests.kinds.fitting import BEGUN, USER, lacks, notes, sent


@pytest.mark.parametrize(
    ("model", "given", "taken"),
    [
        ("gemini-2.0-flash", "high", None),
        ("gemini-2.5-pro", "none", "minimal"),
        ("gemini-2.5-flash", "none", "none"),
        ("gemini-2.5-flash", "max", "high"),
        ("gemini-3.1-pro-preview", "minimal", "low"),
        ("gemini-3.6-flash", "none", "minimal"),
        ("gemini-3.8-flash", "none", "low"),
        ("models/gemini-flash-latest", "minimal", "low"),
        ("gemini-4-argon", "max", "high"),
        ("gemini-4-neon", "max", "xhigh"),
        ("gemini-5-krypton", "none", "low"),
        ("gemini-3.1-flash-image", "max", "max"),
    ],
)
def test_gemini_thinks_by_the_levels_that_its_family_knows(model: str, given: str, taken: str | None) -> None:
    assert sent("gemini", model, reasoning_effort=given).get("reasoning_effort") == taken


def test_gemini_takes_sampling_until_it_has_no_effect_and_no_penalties() -> None:
    given = {"temperature": 0, "presence_penalty": 1, "logprobs": True, "parallel_tool_calls": False}
    assert sent("gemini", "gemini-2.5-flash", **given) == {"temperature": 0}
    assert sent("gemini", "gemini-3.8-flash", **given) == {}
    assert notes("gemini", "gemini-3.6-flash", temperature=0) == (
        "temperature left out: gemini-3.6-flash does not take it",
    )


def test_what_gemini_cannot_do_is_a_lack() -> None:
    form = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}
    assert lacks("gemini", "gemini-2.5-flash", n=2) is None
    assert lacks("gemini", "gemini-3.8-flash", n=2) == "gemini-3.8-flash gives one answer a call"
    assert lacks("gemini", "gemini-2.5-flash", USER, BEGUN) is None
    assert lacks("gemini", "gemini-3.5-flash-lite", USER, BEGUN)
    assert lacks("gemini", "gemini-2.5-flash", tools=[{}], response_format=form)
    assert lacks("gemini", "gemini-3.8-flash", tools=[{}], response_format=form) is None
