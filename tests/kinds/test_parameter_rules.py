"""Rules of parameters: how they are fitted to a model, and what it cannot be asked for."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.kinds.parameter_rules import ANY, Family, dropped, fits, fitted, lack, limited, refused, translated
from homa_shared.kinds.registry import builtin_kinds, profile_of
from tests.kinds.fitting import BEGUN, USER, lacks, notes, sent


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
