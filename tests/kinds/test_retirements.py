"""Announced ends of models: tables that agree with the installed SDKs, and what is told of a model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from anthropic.resources.messages.messages import DEPRECATED_MODELS
from openai.types.shared import chat_model

from homa_shared.kinds.registry import builtin_kinds, profile_of
from homa_shared.kinds.retirement import Retirement, Retirements

TODAY = date(2026, 11, 30)


def openais() -> Iterator[tuple[str, str]]:
    """Models and their days, as the comment of OpenAI's SDK announces them."""
    with open(chat_model.__file__, encoding="utf-8") as source:
        told = " ".join(source.read().partition('"""Deprecated values:')[2].split())
    for row in re.split(r" - (?=\")", told):
        day = re.search(r"Announced shutdown date: (\d{4}-\d\d-\d\d)", row)
        if day is not None:
            yield from ((name, day[1]) for name in re.findall(r'"([^"]+)"', row.partition(":")[0]))


def anthropics() -> Iterator[tuple[str, str]]:
    for name, told in DEPRECATED_MODELS.items():
        day = datetime.strptime(re.sub(r"(?<=\d)(?:st|nd|rd|th)", "", told), "%B %d, %Y").replace(tzinfo=UTC)
        yield name, day.date().isoformat()


@pytest.mark.parametrize(("kind", "announced"), [("openai", dict(openais())), ("anthropic", dict(anthropics()))])
def test_a_table_has_what_the_installed_sdk_announces(kind: str, announced: dict[str, str]) -> None:
    assert len(announced) > 15
    table = profile_of(kind).retirements
    assert {name: end.ends if (end := table.of(name)) else None for name in announced} == announced


@pytest.mark.parametrize(
    ("kind", "model", "told"),
    [
        ("openai", "gpt-5-nano", "ends 2026-12-11, use gpt-6-luna"),
        ("openai", "GPT-5-nano-2025-08-07", "ends 2026-12-11, use gpt-6-luna"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::id", "ends 2027-01-14, use gpt-6-luna"),
        ("openai", "o4-mini", "retired since 2026-10-23, use gpt-5.6-terra"),
        ("anthropic", "claude-sonnet-4-5-20250929", "ends 2026-11-30, use claude-sonnet-5-5"),
        (
            "bedrock",
            "us.anthropic.claude-3-5-haiku-20241022-v1:0",
            "retired since 2026-06-19, use anthropic.claude-haiku-5-5",
        ),
        ("gemini", "models/gemini-2.5-flash", "ends 2026-12-01, then answered by gemini-3.5-flash-lite"),
        ("gemini", "gemini-3.7-flash", "answered by gemini-3.8-flash since 2026-10-08"),
        ("cohere", "command-r", "deprecated, use command-a-03-2025"),
        ("azure", "gpt-4o", "retired since 2026-10-01"),
    ],
)
def test_an_end_is_told_with_day_and_successor(kind: str, model: str, told: str) -> None:
    end = profile_of(kind).retirements.of(model)
    assert end is not None
    assert end.told(TODAY) == told


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("openai", "gpt-6-luna"),
        ("openai", "gpt-5.4-mini"),
        ("openai", "gpt-5.5-2026-04-23"),
        ("anthropic", "claude-haiku-4-5"),
        ("anthropic", "claude-opus-5-5"),
        ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("gemini", "gemini-2.5-flash-lite"),
        ("gemini", "gemini-3.5-flash-lite"),
        ("cohere", "command-r7b-12-2024"),
        ("cohere", "command-r-08-2024"),
    ],
)
def test_a_model_without_an_announced_end_has_none(kind: str, model: str) -> None:
    assert profile_of(kind).retirements.of(model) is None


def test_an_end_is_near_within_so_many_days_and_once_it_is_past() -> None:
    end = Retirement("2026-12-11")
    assert end.days_left(TODAY) == 11
    assert (end.near(TODAY, 11), end.near(TODAY, 10)) == (True, False)
    assert not end.over(date(2026, 12, 11))
    assert end.over(date(2026, 12, 12))
    assert end.near(date(2027, 5, 1))
    assert Retirement("").near(TODAY, 0)


@pytest.mark.parametrize("kind", builtin_kinds())
def test_each_table_says_when_and_where_it_was_read(kind: str) -> None:
    profile = profile_of(kind)
    assert date.fromisoformat(profile.checked)
    if profile.retirements.rows:
        assert date.fromisoformat(profile.retirements.checked)
        assert profile.retirements.source
    for end in profile.retirements.rows.values():
        assert not end.ends or date.fromisoformat(end.ends)
        assert not end.rerouted or end.successor
    for family in profile.families:
        assert date.fromisoformat(family.checked)


def test_a_kind_that_announces_nothing_has_no_ends() -> None:
    assert Retirements().of("anything") is None
