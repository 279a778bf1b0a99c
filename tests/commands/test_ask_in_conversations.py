"""`homa ask --conversation`: turns from the command line."""

from __future__ import annotations

import json

import pytest

from tests.commands.conftest import MODEL, Fleet, Invoke


def test_turns_are_asked_one_behind_the_other(staffed: Fleet, invoke: Invoke) -> None:
    asked = ("--model", MODEL, "--conversation", "c9", "--owner", "ann", "--tenant", "acme")
    first = invoke(staffed, "ask", "[[say:one]]", *asked, "--system", "Be kind.", "--window", "turns=5")
    assert (first.exit_code, first.stdout) == (0, "one\n"), first.stderr
    second = invoke(staffed, "ask", "[[say:two]]", *asked, "--expect-turn", "1", "--json")
    assert json.loads(second.stdout)["text"] == "two"
    shown = json.loads(invoke(staffed, "conversations", "show", "c9", "--json").stdout)
    assert (shown["system"], shown["window"], shown["turns"], shown["tenant"]) == ("Be kind.", {"turns": 5}, 2, "acme")
    assert [turn["answer"][-1]["content"] for turn in shown["latest_turns"]] == ["one", "two"]
    stale = invoke(staffed, "ask", "[[say:three]]", *asked, "--expect-turn", "1")
    assert stale.exit_code == 2
    assert "conversation c9 has 2 turns, expect_turn is 1" in stale.stderr
    other = invoke(staffed, "ask", "[[say:three]]", "--model", MODEL, "--conversation", "c9", "--owner", "bob")
    assert other.exit_code == 2
    assert "conversation c9 belongs to somebody else than owner 'bob' with no tenant" in other.stderr


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--owner", "ann"), "--owner is said of no conversation: expected --conversation ID, too"),
        (("--window", "turns=5"), "--window is said of no conversation"),
        (("--expect-turn", "0"), "--expect-turn is said of no conversation"),
        (("--conversation", "a b"), "--conversation is 'a b': expected 1 to 128 letters"),
        (("--conversation", "c", "--window", "five"), "window is 'five': expected turns=N"),
    ],
)
def test_what_cannot_be_a_turn_is_named(staffed: Fleet, invoke: Invoke, flags: tuple[str, ...], why: str) -> None:
    refused = invoke(staffed, "ask", "hello", "--model", MODEL, *flags)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert why in refused.stderr
