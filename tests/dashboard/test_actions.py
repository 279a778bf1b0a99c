"""What people change by pages: asked first, bounded, done once, written down."""

from __future__ import annotations

import re
from typing import Any

import pytest

from homa.gateway.dashboard.actions import endpoint
from homa_shared.store import reads
from homa_shared.store.audit_trail import latest
from homa_shared.store.transitions.admin import pause_queue
from tests.commands_b.stand import MODEL, Stand
from tests.dashboard.conftest import Browser, state


def entries(stand: Stand) -> list[tuple[str, str]]:
    found = stand.store.run(latest(stand.store.keys, 100))
    assert {(entry.actor, entry.via) for entry in found} <= {("this machine", "gateway")}
    return [(entry.action, entry.subject) for entry in found]


async def test_a_job_is_cancelled_after_a_question_and_written_down(browser: Browser, stand: Stand) -> None:
    job = stand.queued()
    text = await browser.get(f"/act/cancel-job?job={job}")
    assert "Cancel this job?" in text
    assert f"homa jobs cancel {job}" in text
    assert state(stand, job) == "queued"
    text = await browser.submit("/act/cancel-job")
    assert state(stand, job) == "cancelled"
    assert f"{job} is cancelled" in text
    assert entries(stand) == [("jobs.cancelled", job)]
    assert job in await browser.get("/audit")


async def test_a_script_gets_the_question_alone(browser: Browser, stand: Stand) -> None:
    text = await browser.get(f"/act/cancel-job?job={stand.queued()}", **{"x-fragment": "1"})
    assert text.startswith('<div class="asking">')
    assert "<html" not in text


async def test_a_job_is_retried_within_the_bound_that_was_shown(browser: Browser, stand: Stand) -> None:
    job = stand.failed()
    await browser.get(f"/act/retry-job?job={job}")
    _, fields = browser.form("/act/retry-job")
    bound = int(fields["most"])
    view = stand.store.run(reads.job(stand.store.keys, job))
    assert view is not None
    # Every attempt that it may make, each charged in full.
    assert bound == int(view.job.raw["bn"]) * int(view.job.raw["mx"])
    await browser.submit("/act/retry-job", most=str(bound - 1))
    assert browser.status == 409
    await browser.get(f"/act/retry-job?job={job}")
    text = await browser.submit("/act/retry-job")
    again = re.search(r"retried as (\w+)", text)
    assert again
    assert state(stand, again[1]) == "queued"
    assert len(entries(stand)) == 1


async def test_failures_of_a_cause_are_retried_together_and_leave_the_list(browser: Browser, stand: Stand) -> None:
    batch = stand.batch(good=1, bad=3)
    other = stand.failed(unresolved=True)
    text = await browser.get("/failures")
    assert "Refused as invalid by the provider" in text
    assert "Outcome unknown, not repeated" in text
    text = await browser.get(f"/act/retry-cause?cause=invalid_request&batch={batch}")
    assert "Retry 3 jobs?" in text
    assert "Retry these 3, at most $" in text
    text = await browser.submit("/act/retry-cause")
    assert "3 jobs retried" in text
    assert stand.homa.batch(batch).progress().failed == 0
    text = await browser.get("/failures")
    assert "Refused as invalid" not in text
    assert other in text


async def test_what_fails_behind_the_question_is_not_retried_with_the_others(
    browser: Browser, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed, later = stand.failed(), list[str]()
    await browser.get("/act/retry-cause?cause=invalid_request")
    noted = endpoint.note

    async def meanwhile(*told: Any) -> None:
        later.append(stand.failed())
        await noted(*told)

    monkeypatch.setattr(endpoint, "note", meanwhile)
    assert "1 job retried" in await browser.submit("/act/retry-cause")
    retried = {job.id: job.retried_by for job in stand.store.run(reads.jobs(stand.store.keys, state="failed")).jobs}
    assert retried[agreed]
    assert retried[later[0]] is None


async def test_all_that_filters_pick_is_cancelled(browser: Browser, stand: Stand) -> None:
    mine = [stand.queued(tags={"team": "a"}) for _ in range(3)]
    left = stand.queued(tags={"team": "b"})
    assert "Cancel 3 jobs?" in await browser.get("/act/cancel-jobs?tag=team%3Da")
    await browser.submit("/act/cancel-jobs")
    assert {state(stand, job) for job in mine} == {"cancelled"}
    assert state(stand, left) == "queued"


@pytest.mark.parametrize("action", ["cancel-jobs", "retry-jobs"])
async def test_nothing_is_done_to_everything_by_a_slip(browser: Browser, stand: Stand, action: str) -> None:
    stand.queued(), stand.failed()
    await browser.get(f"/act/{action}")
    assert browser.status == 400


async def test_a_batch_is_paused_resumed_and_cancelled(browser: Browser, stand: Stand) -> None:
    batch = stand.batch(live=2)
    for action, shows in (("pause-batch", "Paused"), ("resume-batch", "resumed"), ("cancel-batch", "being cancelled")):
        await browser.get(f"/act/{action}?batch={batch}")
        assert shows in await browser.submit(f"/act/{action}")
    view = stand.store.run(reads.batch(stand.store.keys, batch))
    assert view is not None
    assert view.cancel
    assert [action for action, _ in entries(stand)] == ["batch.cancelled", "batch.resumed", "batch.paused"]


async def test_a_queue_is_paused_and_resumed(browser: Browser, stand: Stand) -> None:
    stand.queued()
    await browser.get("/act/pause-queue?queue=openai")
    await browser.submit("/act/pause-queue")
    assert not stand.store.run(pause_queue(stand.store.keys, "openai"))
    await browser.get("/act/resume-queue?queue=openai")
    assert "is resumed" in await browser.submit("/act/resume-queue")


async def test_a_schedule_is_paused_and_resumed(browser: Browser, stand: Stand) -> None:
    stand.homa.schedule("digest", "hi", cron="0 7 * * *", model=MODEL, max_tokens=10)
    await browser.get("/act/pause-schedule?schedule=digest")
    assert "paused" in await browser.submit("/act/pause-schedule")
    assert stand.homa.schedules()[0].state == "paused"
    await browser.get("/act/resume-schedule?schedule=digest")
    await browser.submit("/act/resume-schedule")
    assert stand.homa.schedules()[0].state == "active"


async def test_content_is_hidden_until_somebody_asks_which_is_written_down(browser: Browser, stand: Stand) -> None:
    job = stand.failed(prompt="the secret prompt")
    assert "the secret prompt" not in await browser.get(f"/jobs/{job}")
    assert "the secret prompt" in await browser.submit("/content")
    batch = stand.batch()
    assert "answer 0" not in await browser.get(f"/batches/{batch}")
    assert "answer 0" in await browser.submit("/results")
    assert entries(stand) == [("results.shown", batch), ("content.shown", job)]


async def test_what_is_refused_says_why_and_is_not_done_twice(browser: Browser, stand: Stand) -> None:
    job = stand.failed()
    await browser.get(f"/act/retry-job?job={job}")
    address, fields = browser.form("/act/retry-job")
    await browser.post(address, fields)
    text = await browser.post(address, fields)
    assert browser.status == 400
    assert "was retried before" in text
    assert stand.store.run(reads.jobs(stand.store.keys, state="queued")).jobs[1:] == []
