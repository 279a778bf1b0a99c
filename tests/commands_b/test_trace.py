"""`homa jobs show --trace`, and HOMA_DEBUG for commands."""

from __future__ import annotations

import pytest

from homa.client.management.traces import timeline
from homa_shared.model.personal_data import excerpt
from homa_shared.model.records import Attempt, Job, State
from homa_shared.store.operation import Op
from homa_shared.store.reads import JobView
from tests.commands_b.stand import MODEL, Stand


def moments(stand: Stand, job: str) -> list[tuple[str, str]]:
    found = stand.json("jobs", "show", "--trace", job)["moments"]
    times = [moment["at_ms"] for moment in found if moment["at_ms"] is not None]
    assert times == sorted(times)
    return [(moment["what"], moment["detail"]) for moment in found]


def test_a_job_that_succeeded_from_submission_to_its_end(stand: Stand) -> None:
    job = stand.succeeded("write to ada@example.org")
    told = moments(stand, job)
    assert [what for what, _ in told] == ["submitted", "attempt 1 taken", "attempt 1 settled", "succeeded"]
    assert told[1][1].startswith(f"at {MODEL}, after ")
    said = stand.said("jobs", "show", "--trace", job).stdout
    assert "answer, redacted:\nwrite to [email]" in said
    assert "example.org" not in said


def test_an_attempt_that_failed_says_why(stand: Stand) -> None:
    job = stand.failed(prompt="my card is 4111 1111 1111 1111")
    said = stand.said("jobs", "show", "--trace", job).stdout
    assert "prompt, redacted:\nmy card is [card]" in said
    assert "4111" not in said
    told, (attempt,) = moments(stand, job), stand.json("jobs", "show", job)["attempts"]
    assert [what for what, _ in told] == ["submitted", "attempt 1 taken", "attempt 1 settled", "failed"]
    assert told[2][1].startswith(f"{attempt['outcome']}; {attempt['error']}; worker {attempt['worker']}")


def test_a_target_that_was_passed_over_is_one_moment_and_has_no_request_of_another() -> None:
    attempts = [
        Attempt(1, "openai:m", "overloaded", started_ms=20, ended_ms=30, note={"request_id": "req_1"}),
        Attempt(0, "openai:m", "diverted", started_ms=40, ended_ms=40, error="breaker openai:m"),
        Attempt(2, "anthropic:n", "succeeded", started_ms=50, ended_ms=60),
    ]
    job = Job("j", State.SUCCEEDED, "anthropic", "default", "anthropic:n", "", submitted_ms=10, ended_ms=60)
    told = timeline(JobView(job, attempts, None, None), {"request_id": "req_2", "latency_ms": 10}, (), None)
    assert [(what, detail.split(";")[0]) for _, what, detail in told] == [
        ("submitted", "for openai:m, lane default"),
        ("attempt 1 taken", "at openai:m, after 10 ms in the queue"),
        ("attempt 1 settled", "overloaded"),
        ("passed over", "openai:m: breaker openai:m"),
        ("attempt 2 taken", "at anthropic:n, after 10 ms in the queue behind diverted"),
        ("attempt 2 settled", "succeeded"),
        ("succeeded", ""),
    ]
    assert [word for _, _, detail in told for word in detail.split("; ") if "request" in word] == [
        "request req_1",
        "request req_2",
    ]


def test_nothing_hides_at_the_cut_where_what_was_found_before_it_made_the_text_shorter() -> None:
    mails = "ada.lovelace.of.the.engine@mail.example.org " * 60
    for cut in range(1, 45):
        text = f"{mails[: 1000 + 512 - cut]} 4111 1111 1111 1111{' and so on' * 300}"
        shown = excerpt(text, 1000)
        assert "4111" not in shown
        assert shown.endswith("…")


@pytest.mark.parametrize("show", [("show",), ("show", "--trace")])
def test_what_others_wrote_commands_no_terminal(stand: Stand, show: tuple[str, ...]) -> None:
    job = stand.succeeded("fine\r\x1b]0;title\x07\x9b2J\tend")
    said = stand.said("jobs", *show, job).stdout
    assert r"fine\x0d\x1b]0;title\x07\x9b2J" in said
    assert not {"\r", "\x1b", "\x07", "\x9b"} & set(said)


def test_one_that_waits_says_what_for(stand: Stand) -> None:
    job = stand.due()
    assert stand.json("jobs", "show", "--trace", job)["moments"][1]["at_ms"] is None
    assert [what for what, _ in moments(stand, job)][:2] == ["submitted", "waits for"]
    assert "now" in stand.said("jobs", "show", "--trace", job).stdout


def test_a_job_tells_what_it_waited_for_when_the_wait_is_over(stand: Stand) -> None:
    job = stand.queued()
    stand.redis("HSET", stand.store.keys.job(job), "hb", "60000 budget acme\n3200 rpm openai/gpt-6-luna")
    waits = "1.0 min for room in the budget acme; 3 s for rpm of openai/gpt-6-luna"
    assert waits in stand.said("jobs", "show", job).stdout
    assert [wait["attempt"] for wait in stand.json("jobs", "show", job)["waited"]] == [None, None]
    stand.settle(stand.claimed(job))
    assert waits in " ".join(stand.said("jobs", "show", job).stdout.split())
    assert stand.json("jobs", "show", job)["waited"] == [
        {"attempt": 1, "wait_ms": 60_000, "kind": "budget", "name": "acme"},
        {"attempt": 1, "wait_ms": 3200, "kind": "rpm", "name": "openai/gpt-6-luna"},
    ]
    taken = dict(moments(stand, job))["attempt 1 taken"]
    assert taken.endswith(", 60000 ms for room in the budget acme, 3200 ms for rpm of openai/gpt-6-luna")


def test_a_stream_says_when_it_was_sent_and_its_first_text_came(stand: Stand) -> None:
    job = stand.running()
    key = stand.store.keys.deltas(job)
    commands = [("XADD", key, "*", "e", "started"), ("XADD", key, "*", "t", "a"), ("XADD", key, "*", "t", "b")]
    stand.store.run(Op(tuple(commands), lambda _: None))
    told = [what for what, _ in moments(stand, job)]
    assert told.count("first token") == 1
    assert told.index("sent") < told.index("first token")


def test_a_job_that_is_not_there_is_named(stand: Stand) -> None:
    said = stand.said("jobs", "show", "--trace", "nobody")
    assert (said.status, "nobody" in said.stderr) == (2, True)


@pytest.mark.parametrize("debug", ["", "1"])
def test_an_error_of_a_command_has_its_traceback_where_somebody_asks(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, debug: str
) -> None:
    if debug:
        monkeypatch.setenv("HOMA_DEBUG", debug)
    said = stand.said("jobs", "show", "nobody")
    assert ("Traceback" in said.stderr) == bool(debug)
    assert said.status == 2
