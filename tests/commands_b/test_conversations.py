"""`homa conversations`: list, show, export, import, delete."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from homa_shared.model.records import State
from tests.commands_b.stand import MODEL, Stand


def talk(stand: Stand, name: str = "c1", *, turns: int = 1, owner: str = "ann") -> None:
    made = stand.homa.conversation(name, owner=owner, tenant="acme", system="Be kind.", model=MODEL)
    for number in range(turns):
        job = made.submit(f"question {number}", max_tokens=100)
        stand.settle(stand.claimed(job.id), f"answer {number}")


def test_conversations_are_listed(stand: Stand) -> None:
    assert "the store holds no conversation" in stand.said("conversations", "list").stderr
    talk(stand, "c1", turns=2)
    talk(stand, "c2", owner="bob")
    waiting = stand.homa.conversation("c2", owner="bob", tenant="acme").submit("more")
    found = stand.json("conversations", "list")["conversations"]
    assert [(row["conversation"], row["turns"], row["pending"], row["owner"]) for row in found] == [
        ("c2", 2, True, "bob"),
        ("c1", 2, False, "ann"),
    ]
    assert [row["conversation"] for row in stand.json("conversations", "list", "--owner", "ann")["conversations"]] == [
        "c1"
    ]
    assert len(stand.json("conversations", "list", "--limit", "1", "--tenant", "acme")["conversations"]) == 1
    assert "no conversation fits" in stand.said("conversations", "list", "--owner", "eve").stderr
    said = stand.said("conversations", "list").stdout
    assert "CONVERSATION" in said
    assert "bob" in said
    stand.homa.job(waiting.id).cancel()


def test_a_conversation_is_shown_with_its_last_turns(stand: Stand) -> None:
    talk(stand, turns=3)
    found = stand.json("conversations", "show", "c1", "--turns", "2")
    assert (found["turns"], found["system"], found["model"], found["tenant"]) == (3, "Be kind.", MODEL, "acme")
    assert [(turn["number"], turn["state"], turn["target"]) for turn in found["latest_turns"]] == [
        (2, "answered", MODEL),
        (3, "answered", MODEL),
    ]
    assert found["latest_turns"][1]["answer"][-1]["content"] == "answer 2"
    said = stand.said("conversations", "show", "c1").stdout
    assert "question 0" in said
    assert "answer 2" in said


def test_an_exported_conversation_is_imported(stand: Stand, tmp_path: Path) -> None:
    talk(stand, turns=2)
    file = tmp_path / "talk.json"
    assert stand.said("conversations", "export", "c1", "--output", str(file)).status == 0
    assert orjson.loads(file.read_bytes())["conversation"] == "c1"
    taken = stand.said("conversations", "import", str(file))
    assert (taken.status, "another conversation has" in taken.stderr) == (2, True)
    done = stand.said("conversations", "import", str(file), "--id", "c2", "--owner", "bob")
    assert (done.status, "conversation c2 is imported" in done.stderr) == (0, True)
    assert stand.json("conversations", "show", "c2")["owner"] == "bob"
    said = stand.said("conversations", "export", "c2", "--format", "markdown").stdout
    assert said.startswith("# Conversation c2\n\n## System\n\nBe kind.\n\n## 1. User, ")
    assert f"### {MODEL}\n\nanswer 1\n" in said
    assert stand.homa.conversation("c2", owner="bob", tenant="acme").turns()[1].text == "answer 1"


def test_deleting_cancels_what_waits(stand: Stand) -> None:
    talk(stand)
    job = stand.homa.conversation("c1", owner="ann", tenant="acme").submit("more")
    said = stand.said("conversations", "delete", "c1")
    assert f"conversation c1 is deleted, and its job {job.id} cancelled" in said.stderr
    assert job.state() is State.CANCELLED


@pytest.mark.parametrize("verb", ["show", "export", "delete"])
def test_an_unknown_conversation_is_named_with_status_2(stand: Stand, verb: str) -> None:
    said = stand.said("conversations", verb, "nowhere")
    assert (said.status, said.stdout) == (2, "")
    assert "conversation nowhere is not in the store" in said.stderr


def test_what_is_no_conversation_is_not_imported(stand: Stand, tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text('{"rows": []}')
    said = stand.said("conversations", "import", str(file))
    assert said.status == 2
    assert "the text is no exported conversation" in said.stderr


def test_a_retry_of_a_turn_that_others_follow_says_why_not(stand: Stand) -> None:
    made = stand.homa.conversation("c1", owner="ann", tenant="acme", model=MODEL)
    job = made.submit("question", max_tokens=100)
    stand.fail(stand.claimed(job.id))
    talk(stand)
    said = stand.said("jobs", "retry", job.id)
    assert said.status != 0
    assert "later turns of its conversation were answered without it" in said.stderr
