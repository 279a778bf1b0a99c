"""`homa jobs`: every state can be listed, shown and explained, and changed where it may be."""

from __future__ import annotations

import re
import time
from pathlib import Path

import orjson
import pytest

from homa import Homa
from homa_shared.calls.media import Medium
from homa_shared.settings.model import load_settings
from homa_shared.store import reads
from homa_shared.store.blobs import blobs_at
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Report, fail
from homa_shared.store.transitions.media import hold, placed, reply_user, uploading
from tests.commands_b.stand import MODEL, Stand


def states(stand: Stand) -> dict[str, str]:
    """A job in each state; running and waiting ones last, since taking takes whatever waits."""
    jobs = {
        "succeeded": stand.succeeded(tags={"team": "a"}, tenant="acme"),
        "failed": stand.failed(),
        "expired": stand.expired(),
        "cancelled": stand.cancelled(),
    }
    batch = stand.homa.submit_batch(["held"], model=MODEL, max_tokens=100)
    batch.pause("look first")
    jobs["waiting"] = f"{batch.id}-0"
    jobs["running"] = stand.running()
    jobs["due"] = stand.due()
    jobs["queued"] = stand.queued()
    return jobs


def test_jobs_of_every_state_are_listed_by_their_state(stand: Stand) -> None:
    jobs = states(stand)
    for state, job in jobs.items():
        found = stand.json("jobs", "list", "--state", state)["jobs"]
        assert [row["job"] for row in found] == [job], state
        assert found[0]["state"] == state
    assert {row["job"] for row in stand.json("jobs", "list")["jobs"]} == set(jobs.values())


def test_ended_jobs_are_listed_newest_first_with_their_errors(stand: Stand) -> None:
    ends = []
    for end in (stand.succeeded, stand.failed, stand.cancelled, stand.succeeded, stand.failed, stand.succeeded):
        ends.append(end())
        time.sleep(0.003)  # the order goes by milliseconds
    waiting = stand.queued()
    found = stand.json("jobs", "list")["jobs"]
    assert [row["job"] for row in found] == [waiting, *reversed(ends)]
    assert [row["job"] for row in stand.json("jobs", "list", "--limit", "3")["jobs"]] == [waiting, ends[5], ends[4]]
    errors = {row["job"]: row["error"] for row in found}
    assert errors[ends[0]] is errors[waiting] is None
    assert errors[ends[1]].startswith("invalid_request: ")
    table = stand.said("jobs", "list").stdout
    assert "ERROR" in table.splitlines()[0]
    assert errors[ends[1]][:40] in table


def test_filters_pick_by_provider_tenant_tag_and_batch(stand: Stand) -> None:
    jobs = states(stand)
    batch = jobs["waiting"].rpartition("-")[0]
    assert [row["job"] for row in stand.json("jobs", "list", "--tenant", "acme")["jobs"]] == [jobs["succeeded"]]
    assert [row["job"] for row in stand.json("jobs", "list", "--tag", "team=a")["jobs"]] == [jobs["succeeded"]]
    assert [row["job"] for row in stand.json("jobs", "list", "--batch", batch)["jobs"]] == [jobs["waiting"]]
    assert stand.json("jobs", "list", "--provider", "anthropic")["jobs"] == []
    assert len(stand.json("jobs", "list", "--provider", "openai")["jobs"]) == len(jobs)
    assert len(stand.json("jobs", "list", "--queue", "openai", "--limit", "3")["jobs"]) == 3


def test_the_table_says_when_there_is_more_and_when_there_is_nothing(stand: Stand) -> None:
    said = stand.said("jobs", "list")
    assert (said.status, said.stdout) == (0, "")
    assert "no job matches" in said.stderr
    stand.queued(), stand.queued()
    said = stand.said("jobs", "list", "--limit", "1")
    assert said.stdout.splitlines()[0].split() == ["JOB", "STATE", "TARGET", "AGE"]
    assert "the first 1" in said.stderr


def test_a_job_is_shown_with_request_attempts_and_reply(stand: Stand) -> None:
    job = stand.succeeded("the answer", tags={"team": "a"})
    found = stand.json("jobs", "show", job)
    assert found["state"] == "succeeded"
    assert found["cost_usd"] == "0.0000015"
    assert found["tags"] == {"team": "a"}
    assert found["attempts"][0]["target"] == MODEL
    assert found["attempts"][0]["cost_usd"] == "0.0000015"
    assert found["reply"]["body"]["choices"][0]["message"]["content"] == "the answer"
    said = stand.said("jobs", "show", job)
    assert "the answer" in said.stdout
    assert "succeeded" in said.stdout


def test_a_failure_is_shown_with_its_error_and_prompt(stand: Stand) -> None:
    job = stand.failed(prompt="[bold]no markup[/]")
    said = stand.said("jobs", "show", job)
    assert "[bold]no markup[/]" in said.stdout
    assert re.search(r"output cap +100 tokens", said.stdout)
    assert "invalid_request: it broke" in said.stdout
    assert stand.json("jobs", "show", job)["attempts"][0]["error"] == "it broke"


@pytest.fixture
def beside(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A blob store that client and commands are told of."""
    directory = stand.home / "bucket"
    monkeypatch.setenv("HOMA_BLOBS", str(directory))
    return directory


def large(stand: Stand) -> str:
    """A job whose messages and reply are in the blob store."""
    with Homa(settings=load_settings()) as homa:
        job = homa.submit("the prompt " + "p" * 70_000, model=MODEL, max_tokens=100).id
    claim = stand.claimed(job)
    body = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "the answer " + "a" * 70_000}}]}
    found = Medium(orjson.dumps(body), "application/json")
    stand.store.run(hold(stand.store.keys, [(found.digest, reply_user(job))]))
    blobs_at((stand.home / "bucket").as_uri()).put("x/reply", found.data)
    stand.store.run(uploading(stand.store.keys, ["x/reply"]))
    stand.store.run(placed(stand.store.keys, {found.digest: "x/reply"}))
    told = orjson.dumps({"body_at": found.digest, "provider": "openai", "model": "gpt-6-luna", "cost_nano": 1})
    # Failed, so that its request is kept.
    report = Report("invalid_request")
    stand.store.run(fail(stand.store.keys, (claim.id, claim.attempt), "failed", told, report, "no"))
    return job


def test_a_prompt_and_a_reply_in_the_blob_store_are_shown(stand: Stand, beside: Path) -> None:
    job = large(stand)
    said = stand.said("jobs", "show", job)
    assert "the prompt ppp" in said.stdout
    assert "the answer aaa" in said.stdout
    found = stand.json("jobs", "show", job)
    assert found["request"]["messages"][0]["content"].startswith("the prompt ")
    assert found["reply"]["body"]["choices"][0]["message"]["content"].startswith("the answer ")


def test_what_is_in_the_blob_store_and_cannot_be_read_is_named(
    stand: Stand, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = large(stand)
    monkeypatch.delenv("HOMA_BLOBS")
    said = stand.said("jobs", "show", job)
    assert said.status == 0
    assert f"the reply of job {job} is blob" in said.stderr
    assert "set HOMA_BLOBS as the workers have it" in said.stderr
    assert stand.json("jobs", "show", job)["request"]["messages"].startswith("homa:sha256:")
    monkeypatch.setenv("HOMA_BLOBS", str(stand.home / "another"))
    assert f"messages of job {job} was blob" in stand.said("jobs", "show", job).stderr


def test_a_blob_that_nobody_knows_any_more_is_gone(stand: Stand, beside: Path) -> None:
    job = large(stand)
    stand.redis("DEL", stand.store.keys.media_places())
    assert "which is gone: its retention has ended" in stand.said("jobs", "show", job).stderr


def test_why_names_what_holds_a_job(stand: Stand) -> None:
    job = stand.queued()
    said = stand.said("jobs", "why", job)
    assert "no live worker serves the queue openai: start one with `homa worker openai`" in said.stdout
    stand.beat()
    assert "nothing holds it" in stand.said("jobs", "why", job).stdout
    stand.said("queues", "pause", "openai")
    found = stand.json("jobs", "why", job)
    assert found["state"] == "queued"
    assert found["live_workers"] == 1
    assert found["holds"][0] | {"detail": ""} == {
        "kind": "pause",
        "name": "openai",
        "wait_ms": None,
        "detail": "",
        "limit": None,
    }
    assert "paused" in stand.said("jobs", "why", job).stdout


def test_why_tells_how_an_ended_job_ended(stand: Stand) -> None:
    assert "failed at" in stand.said("jobs", "why", stand.failed()).stdout
    assert stand.json("jobs", "why", stand.succeeded())["holds"] == []


@pytest.mark.parametrize("verb", ["show", "why", "resolve"])
def test_an_unknown_job_is_named_with_status_2(stand: Stand, verb: str) -> None:
    more = ["--usd", "1"] if verb == "resolve" else []
    said = stand.said("jobs", verb, "j0nowhere", *more)
    assert (said.status, said.stdout) == (2, "")
    assert "job j0nowhere is not in the store" in said.stderr


def test_a_batch_where_a_job_is_expected_is_told_as_one(stand: Stand) -> None:
    batch = stand.batch(good=1, bad=0, live=0)
    said = stand.said("jobs", "why", batch)
    assert said.status == 2
    assert f"{batch} names a batch: expected a job; `homa jobs list --batch {batch}` shows its jobs" in said.stderr
    assert f"{batch}-0 names a job: expected {batch}" in stand.said("batches", "show", f"{batch}-0").stderr
    assert "names a job: expected a batch" in stand.said("batches", "show", stand.succeeded()).stderr


def test_an_unknown_state_or_batch_is_refused(stand: Stand) -> None:
    assert stand.said("jobs", "list", "--state", "lost").status == 2
    said = stand.said("jobs", "list", "--batch", "b0nowhere")
    assert said.status == 2
    assert "batch b0nowhere is not in the store" in said.stderr


def test_cancel_ends_what_waits_and_calls_off_what_runs(stand: Stand) -> None:
    running = stand.running()
    queued = stand.queued()
    found = stand.json("jobs", "cancel", queued, running)["jobs"]
    assert found == [{"job": queued, "answer": "cancelled"}, {"job": running, "answer": "cancelling"}]
    assert stand.json("jobs", "show", queued)["state"] == "cancelled"


def test_cancel_of_an_ended_or_unknown_job_says_so_with_status_1(stand: Stand) -> None:
    ended, queued = stand.succeeded(), stand.queued()
    said = stand.said("jobs", "cancel", ended, "j0nowhere", queued)
    assert said.status == 1
    assert f"cannot cancel {ended}: it has succeeded" in said.stderr
    assert "cannot cancel j0nowhere: no such job" in said.stderr
    assert said.stdout == f"{queued} cancelled\n"


def test_cancel_by_filter_takes_all_that_fit_and_nothing_else(stand: Stand) -> None:
    running = stand.running(tenant="acme")
    mine = [stand.queued(tenant="acme") for _ in range(3)]
    other = stand.queued(tenant="else")
    assert stand.json("jobs", "cancel", "--tenant", "acme") == {"cancelled": 3, "cancelling": 1}
    assert {stand.json("jobs", "show", job)["state"] for job in mine} == {"cancelled"}
    assert stand.json("jobs", "show", other)["state"] == "queued"
    assert stand.json("jobs", "show", running)["state"] == "running"


@pytest.mark.parametrize("verb", ["cancel", "retry", "purge"])
def test_nothing_is_changed_without_saying_which(stand: Stand, verb: str) -> None:
    said = stand.said("jobs", verb)
    assert said.status == 2
    assert f"neither ids nor filters say which jobs to {verb}" in said.stderr
    assert stand.said("jobs", verb, "j1", "--tenant", "a").status == 2


def test_a_failed_job_is_retried_as_a_new_one_at_its_first_target(stand: Stand) -> None:
    failed = stand.failed(prompt="again")
    found = stand.json("jobs", "retry", failed)["jobs"][0]
    assert found["answer"] == "ok"
    again = stand.json("jobs", "show", found["retried_by"])
    assert (again["state"], again["target"], again["retry_of"]) == ("queued", MODEL, failed)
    assert again["request"]["messages"][-1]["content"] == "again"
    repeated = stand.json("jobs", "retry", failed)["jobs"][0]
    assert repeated == {"job": failed, "answer": "retried", "retried_by": found["retried_by"]}
    stand.settle(stand.claimed(found["retried_by"]))
    assert stand.json("jobs", "show", found["retried_by"])["state"] == "succeeded"


def test_retry_of_a_live_succeeded_or_unknown_job_says_why_not(stand: Stand) -> None:
    done, live = stand.succeeded(), stand.queued()
    said = stand.said("jobs", "retry", done, live, "j0nowhere")
    assert said.status == 1
    assert f"cannot retry {done}: it has succeeded" in said.stderr
    assert f"cannot retry {live}: it still waits" in said.stderr
    assert "cannot retry j0nowhere: no such job" in said.stderr


def test_retry_by_filter_takes_failed_jobs_once(stand: Stand) -> None:
    batch = stand.batch(good=1, bad=2)
    assert stand.json("jobs", "retry", "--batch", batch) == {"retried": 2}
    assert stand.json("jobs", "retry", "--batch", batch) == {"retried": 0}
    found = stand.json("batches", "show", batch)
    assert (found["state"], found["succeeded"], found["failed"], found["total"]) == ("sealed", 1, 0, 3)


def test_an_unresolved_attempt_is_listed_and_resolved_by_hand(stand: Stand) -> None:
    assert "no attempt is unresolved" in stand.said("jobs", "resolve").stderr
    job = stand.failed(unresolved=True)
    row = stand.json("jobs", "resolve")["unresolved"][0]
    assert (row["attempt"], row["target"], row["outcome"], row["request_id"]) == (f"{job}:1", MODEL, "ambiguous", "r9")
    assert float(row["unresolved_usd"]) > 0
    assert f"{job}:1" in stand.said("jobs", "resolve").stdout
    told = stand.json("jobs", "resolve", job, "--usd", "0.000002", "--note", "by the bill")
    assert told == {"jobs": [{"job": f"{job}:1", "answer": "ok"}]}
    costs = stand.json("costs")
    assert (costs["total_usd"], costs["unresolved_usd"]) == ("0.000002", "0.00")
    again = stand.said("jobs", "resolve", f"{job}:1", "--usd", "1")
    assert again.status == 1
    assert "nothing is unresolved there" in again.stderr


def test_resolve_needs_an_amount_and_an_attempt_that_is_one(stand: Stand) -> None:
    job = stand.failed()
    for arguments, message in (
        ((f"{job}:1",), "--usd is missing"),
        ((f"{job}:x", "--usd", "1"), "is not an attempt"),
        ((job, "--usd", "1"), "has 0 unresolved attempts (none)"),
        ((job, "--usd", "much"), "not an amount of money"),
        ((job, "--usd", "-1"), "is negative"),
    ):
        said = stand.said("jobs", "resolve", *arguments)
        assert said.status == 2
        assert message in said.stderr


def test_purge_forgets_ended_jobs_but_none_that_live_or_may_still_cost(stand: Stand) -> None:
    failed, doubtful, live = stand.failed(), stand.failed(unresolved=True), stand.queued()
    said = stand.said("jobs", "purge", failed, doubtful, live, "j0nowhere")
    assert said.status == 1
    assert said.stdout == f"{failed} purged\n"
    assert f"cannot purge {doubtful}: its cost is unresolved" in said.stderr
    assert f"cannot purge {live}: it still waits" in said.stderr
    assert stand.said("jobs", "show", failed).status == 2


def test_purge_by_age_takes_old_ones_only(stand: Stand) -> None:
    jobs = [stand.failed() for _ in range(3)] + [stand.cancelled(), stand.expired()]
    stand.failed(unresolved=True)
    unbounded = stand.failed(unresolved=True)
    stand.redis("HSET", stand.store.keys.job(unbounded), "un", 0)
    done = stand.succeeded()
    assert stand.json("jobs", "purge", "--older-than", "1h") == {"purged": 0}
    assert stand.json("jobs", "purge", "--older-than", "0s") == {
        "purged": len(jobs),
        "kept_for_their_unresolved_cost": 2,
    }
    assert stand.json("jobs", "show", done)["state"] == "succeeded"
    assert stand.json("jobs", "purge", "--state", "succeeded") == {"purged": 1}
    assert stand.said("jobs", "purge", "--older-than", "soon").status == 2


def test_a_listing_goes_on_over_pages(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homa.client.management.job_listing.PAGE", 2)
    batch = stand.batch(good=0, bad=5)
    assert len(stand.json("jobs", "list", "--batch", batch)["jobs"]) == 5
    assert stand.json("jobs", "retry", "--batch", batch) == {"retried": 5}
    assert stand.json("jobs", "cancel", "--batch", batch)["cancelled"] == 5
    assert stand.json("jobs", "purge", "--state", "failed") == {"purged": 5}


def test_what_is_cancelled_is_what_the_store_says(stand: Stand) -> None:
    job = stand.queued()
    assert stand.store.run(admin.cancel(stand.store.keys, [job])) == ["cancelled"]
    assert stand.store.run(reads.state(stand.store.keys, job)) == "cancelled"
