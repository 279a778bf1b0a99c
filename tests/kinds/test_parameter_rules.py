"""What families of models take: parameters fitted to a model, and what it cannot be asked for."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.kinds.parameter_rules import ANY, Family, dropped, fits, fitted, lack, limited, refused, translated
from homa_shared.kinds.registry import builtin_kinds, profile_of

USER = {"role": "user", "content": "Hello"}
BEGUN = {"role": "assistant", "content": "{"}
FORCED = {"type": "function", "function": {"name": "look"}}


def sent(kind: str, model: str, **params: Any) -> dict[str, Any]:
    return fitted(profile_of(kind).family(model), model, params)[0]


def notes(kind: str, model: str, **params: Any) -> tuple[str, ...]:
    return fitted(profile_of(kind).family(model), model, params)[1]


def lacks(kind: str, model: str, *messages: dict[str, Any], **params: Any) -> str | None:
    return lack(profile_of(kind).family(model), model, messages or [USER], params)


def test_a_model_of_no_family_takes_everything() -> None:
    given = {"temperature": 0.2, "whatever": 1, "n": 3, "tool_choice": "required"}
    assert sent("anthropic", "some-model", **given) == given
    assert lacks("anthropic", "some-model", BEGUN, **given) is None


def test_what_is_left_out_or_translated_is_told() -> None:
    family = Family("m", (*dropped("seed"), translated("reasoning_effort", {"none": "low", "max": None})))
    assert fitted(family, "m", {"seed": 1, "reasoning_effort": "none"}) == (
        {"reasoning_effort": "low"},
        ("seed left out: m does not take it", "reasoning_effort 'none' sent as 'low': m does not take it"),
    )
    assert fitted(family, "m", {"reasoning_effort": "max"})[0] == {}
    assert fitted(family, "m", {"seed": None, "reasoning_effort": "high"})[1] == ()


def test_what_must_not_change_is_a_lack() -> None:
    family = Family("m", (refused("n", "gives one answer a call", lambda params: params["n"] != 1),), prefill=False)
    assert lack(family, "m", [USER], {"n": 2}) == "m gives one answer a call"
    assert lack(family, "m", [USER], {"n": 1}) is None
    assert lack(family, "m", [USER, BEGUN], {}) == "m takes no conversation that ends with an assistant's message"
    assert fitted(family, "m", {"n": 2}) == ({"n": 2}, ())


@pytest.mark.parametrize("kind", builtin_kinds())
def test_every_family_says_where_it_is_documented_and_when_that_was_read(kind: str) -> None:
    profile = profile_of(kind)
    for family in (*profile.families, profile.others):
        assert family.source or family is ANY
        assert family.checked >= "2026-11-29"


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


@pytest.mark.parametrize(
    ("model", "given", "taken"),
    [
        ("command-a-reasoning-08-2025", "low", "high"),
        ("command-a-plus-05-2026", "minimal", "none"),
        ("command-a-03-2025", "high", None),
        ("some-model", "low", "low"),
    ],
)
def test_cohere_knows_two_efforts_at_models_that_reason(model: str, given: str, taken: str | None) -> None:
    assert sent("cohere", model, reasoning_effort=given).get("reasoning_effort") == taken


def test_cohere_takes_none_of_openais_switches() -> None:
    given = {"user": "u", "verbosity": "low", "prompt_cache_key": "k", "logit_bias": {}}
    assert sent("cohere", "command-a-03-2025", temperature=0, stop="END", **given) == {"temperature": 0, "stop": "END"}
    assert lacks("cohere", "command-a-03-2025", n=2) == "command-a-03-2025 gives one answer a call"


#: Names that rules go by, with values that some rule would not leave alone, and one that no rule knows.
GIVEN = {
    "temperature": 0.2,
    "reasoning_effort": "none",
    "n": 2,
    "tool_choice": "required",
    "verbosity": "low",
    "logit_bias": {"1": 1},
    "max_tokens": 5,
    "whatever": 1,
}


@pytest.mark.parametrize("kind", builtin_kinds())
@pytest.mark.parametrize("names", [(), *((name,) for name in GIVEN), tuple(GIVEN)])
def test_parameters_that_fit_are_not_changed(kind: str, names: tuple[str, ...]) -> None:
    given = {name: GIVEN[name] for name in names}
    profile = profile_of(kind)
    for family in (*profile.families, profile.others):
        if fits(family, given):
            assert fitted(family, "m", given) == (given, ())


def test_a_parameter_fits_that_no_rule_names_and_the_family_knows() -> None:
    family = Family("m", dropped("seed"), takes=frozenset({"seed", "stop"}))
    assert fits(family, {"stop": "x"})
    assert not fits(family, {"seed": 1})
    assert not fits(family, {"whatever": 1})


def test_a_number_beyond_a_range_is_sent_as_the_nearest_one_and_told() -> None:
    family = Family("m", (limited("temperature", 0, 1.5), limited("stop", 0, 2)))
    assert fitted(family, "m", {"temperature": 1.9, "stop": ["a", "b", "c", "d"]}) == (
        {"temperature": 1.5, "stop": ["a", "b"]},
        ("temperature 1.9 sent as 1.5: m takes 0 to 1.5", "stop: 2 of 4 left out: m takes 2"),
    )
    assert fitted(family, "m", {"temperature": -1})[0] == {"temperature": 0}
    for within in ({"temperature": 1.5, "stop": "a"}, {"temperature": 0, "stop": ["a"]}, {"temperature": True}):
        assert fitted(family, "m", within) == (within, ())


@pytest.mark.parametrize(
    ("kind", "model", "given", "found"),
    [
        ("anthropic", "claude-sonnet-4-5", {"temperature": 1.2}, {"temperature": 1}),
        ("bedrock", "anthropic.claude-opus-4-6-v1", {"top_p": 1.2}, {"top_p": 1}),
        ("bedrock", "amazon.nova-pro-v1:0", {"temperature": 1.2}, {"temperature": 1}),
        (
            "gemini",
            "gemini-2.5-flash",
            {"temperature": 2.5, "stop": list("abcdef")},
            {"temperature": 2, "stop": list("abcde")},
        ),
        (
            "openai",
            "gpt-4.1",
            {"presence_penalty": -3, "stop": list("abcdef")},
            {"presence_penalty": -2, "stop": list("abcd")},
        ),
        ("azure", "gpt-4o", {"temperature": 3}, {"temperature": 2}),
        ("mistral", "mistral-large-latest", {"temperature": 2}, {"temperature": 1.5}),
        (
            "cohere",
            "command-a-03-2025",
            {"frequency_penalty": 1.5, "top_p": 1},
            {"frequency_penalty": 1, "top_p": 0.99},
        ),
        ("ollama", "llama3.2", {"temperature": 3}, {"temperature": 3}),
    ],
)
def test_each_kind_is_sent_what_it_takes(kind: str, model: str, given: dict[str, Any], found: dict[str, Any]) -> None:
    assert sent(kind, model, **given) == found
    assert bool(notes(kind, model, **given)) is (given != found)


def test_what_a_model_does_not_take_at_all_is_left_out_and_not_limited() -> None:
    assert notes("anthropic", "claude-opus-5-5", temperature=1.2) == (
        "temperature left out: claude-opus-5-5 does not take it",
    )
