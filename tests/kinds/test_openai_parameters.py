"""What families of OpenAI's models take."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.kinds.registry import profile_of
from tests.kinds.fitting import lacks, notes, sent


def by_responses(model: str, kind: str = "openai", **params: Any) -> bool:
    """Whether a call goes by the Responses API without being asked to."""
    asks = profile_of(kind).family(model).by_responses
    return asks is not None and asks(sent(kind, model, **params))


@pytest.mark.parametrize(
    ("model", "effort", "takes"),
    [
        ("gpt-4.1", None, True),
        ("gpt-5-mini", None, False),
        ("o4-mini-2025-04-16", None, False),
        ("gpt-5.1", None, True),
        ("gpt-5.1", "low", False),
        ("gpt-5.4-mini", None, True),
        ("gpt-5.5", None, False),
        ("gpt-5.5", "none", True),
        ("gpt-6-luna", None, False),
        ("gpt-6-luna", "none", True),
        ("gpt-6.2-sol", "none", False),
        ("gpt-35-turbo", None, True),
        ("my-deployment", None, True),
    ],
)
def test_openais_models_take_no_sampling_while_they_reason(model: str, effort: str | None, takes: bool) -> None:
    given = {"temperature": 0, "top_p": 0.9, "logprobs": True, "presence_penalty": 1}
    effort_given = {} if effort is None else {"reasoning_effort": effort}
    for kind in ("openai", "azure"):
        kept = sent(kind, model, **given, **effort_given)
        assert (kept.keys() & given.keys() == given.keys()) == takes
        assert bool(kept.keys() & given.keys()) == takes


def test_some_parameters_are_taken_by_no_model_that_reasons() -> None:
    never = {"stop": "END", "logit_bias": {"1": 1}, "prediction": {}}
    assert sent("openai", "gpt-5.4", reasoning_effort="none", **never) == {"reasoning_effort": "none"}
    assert sent("openai", "gpt-4.1", **never) == never
    assert sent("openai", "o3", parallel_tool_calls=False, tools=[{}]) == {"tools": [{}]}
    assert sent("openai", "gpt-5-mini", parallel_tool_calls=False) == {}
    assert notes("openai", "gpt-6-luna", temperature=0) == (
        "temperature left out: gpt-6-luna does not take it while it reasons",
    )


@pytest.mark.parametrize(
    ("model", "given", "taken"),
    [
        ("gpt-4.1", "low", None),
        ("gpt-5-chat-latest", "low", None),
        ("o3", "none", "low"),
        ("gpt-5-mini", "none", "minimal"),
        ("gpt-5-mini", "max", "high"),
        ("gpt-5.3-chat-latest", "low", "medium"),
        ("gpt-5.1", "minimal", "none"),
        ("gpt-5.4", "max", "xhigh"),
        ("gpt-6-sol", "max", "max"),
        ("gpt-6-astra", "none", "low"),
        ("gpt-6.1-terra", "none", "none"),
        ("gpt-5-pro", "low", "high"),
        ("gpt-7", "minimal", "low"),
        ("gpt-oss:20b", "max", "max"),
    ],
)
def test_openais_models_get_efforts_that_they_know(model: str, given: str, taken: str | None) -> None:
    assert sent("openai", model, reasoning_effort=given).get("reasoning_effort") == taken


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("gpt-4.1", None, False),
        ("gpt-5-mini", "high", False),
        ("gpt-5.1", "high", False),
        ("gpt-5.4", None, False),
        ("gpt-5.4", "high", True),
        ("gpt-5.5", None, False),
        ("gpt-5.6", None, True),
        ("gpt-6-luna", None, True),
        ("gpt-6-luna", "none", False),
        ("gpt-6.1-terra", "none", True),
        ("gpt-6.2-astra", None, True),
        ("my-deployment", None, False),
    ],
)
def test_tools_go_by_the_responses_api_where_a_chat_does_not_take_them(
    model: str, effort: str | None, expected: bool
) -> None:
    params: dict[str, Any] = {"tools": [{"type": "function"}]} | (
        {} if effort is None else {"reasoning_effort": effort}
    )
    assert by_responses(model, **params) == expected
    assert by_responses(model, "azure", **params) == expected


def test_models_that_only_the_responses_api_has_always_go_by_it() -> None:
    assert by_responses("gpt-5.2-pro")
    assert by_responses("gpt-5.1-codex-max")
    assert by_responses("gpt-6-luna", reasoning_effort="max")
    assert not by_responses("gpt-6-luna")
    assert lacks("openai", "gpt-6-luna", n=2, tools=[{}])
    assert lacks("openai", "gpt-6-luna", n=2) is None
