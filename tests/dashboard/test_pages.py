"""Every page of the dashboard opens, whatever the fleet holds; what is hostile in it is text."""

from __future__ import annotations

import re
from html import escape, unescape
from pathlib import Path

import pytest

from homa import Flow
from homa.gateway.dashboard.app import dashboard_routes
from homa.gateway.dashboard.assets import asset
from homa_shared.store import reads
from homa_shared.store.transitions.attempts import Report
from homa_shared.store.transitions.flows import ask as wait_for_answer
from tests.commands_b.stand import MODEL, Stand
from tests.dashboard.conftest import Browser

PAGES = ("", "/jobs", "/batches", "/failures", "/costs", "/limits", "/workers", "/schedules", "/events", "/audit")
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_of_an_empty_fleet_opens(browser: Browser, path: str) -> None:
    text = await browser.get(path)
    assert browser.status == 200
    assert "<h1>" in text


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_of_a_busy_fleet_opens(browser: Browser, stand: Stand, path: str) -> None:
    stand.batch(good=3, bad=2, live=2)
    stand.beat()
    stand.succeeded(tags={"team": "a"})
    stand.failed(unresolved=True)
    stand.due(), stand.cancelled(), stand.expired()
    stand.running()
    stand.break_model()
    stand.homa.schedule("digest", "hi", cron="0 7 * * *", model="openai:gpt-6-luna", max_tokens=10)
    await browser.get(path)
    assert browser.status == 200


@pytest.mark.parametrize("path", [*PAGES, "/login", "/jobs/none", "/batches/none", "/act/none"])
async def test_no_page_may_run_what_is_inline_or_ask_elsewhere(browser: Browser, path: str) -> None:
    text = await browser.get(path)
    policy = browser.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert browser.headers["x-frame-options"] == "DENY"
    assert browser.headers["cache-control"] == "no-store"
    assert " style=" not in text
    assert not re.search(r"<script(?! src=)|\son\w+=|javascript:|https?://", text)


async def test_what_jobs_bring_is_text_on_every_page(browser: Browser, stand: Stand) -> None:
    options = {"tags": {"team": HOSTILE[:60]}, "tenant": "x-y"}
    job = stand.failed(prompt=HOSTILE, **options)
    stand.succeeded(HOSTILE, prompt=HOSTILE, **options)
    stand.queued(HOSTILE, **options)
    batch = stand.homa.submit_batch(
        [{"prompt": HOSTILE, "custom_id": HOSTILE}], model="openai:gpt-6-luna", max_tokens=9, name=HOSTILE
    )
    stand.settle(next(claim for claim in stand.take() if claim.custom_id), HOSTILE)
    seen = [await browser.get(path) for path in (*PAGES, f"/jobs/{job}", f"/batches/{batch.id}")]
    seen.append(await browser.get(f"/jobs/{job}"))
    seen.append(await browser.submit("/content"))
    assert escape(HOSTILE) in seen[-1].replace("\\&#34;", "&#34;").replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
    seen.append(await browser.get(f"/batches/{batch.id}"))
    seen.append(await browser.submit("/results"))
    said = dict.fromkeys(("q", "tag", "note", "cause", "cursor", "by", "before", "done", "state"), HOSTILE)
    for path in ("/search", "/jobs", "/costs", "/events"):
        answer = await browser.client.get(f"/dashboard{path}", params=said)
        seen += [answer.text]
    for text in seen:
        assert "<script>alert" not in text
        assert "<img" not in text


async def test_a_run_of_a_flow_shows_its_steps_and_what_waits_for_an_answer(browser: Browser, stand: Stand) -> None:
    flow = Flow("approved")
    verdict = flow.wait(prompt="Is {{text}} good?", on=MODEL, name="verdict")
    flow.map(verdict, prompt="{{verdict}}", model=MODEL, max_tokens=20, name="said")
    run = stand.homa.run(flow, [{"text": "it"}, {"text": "that"}])
    text = await browser.get(f"/batches/{run.id}")
    assert "flow approved, 2 inputs" in text
    assert ">verdict<" in text
    assert "wait, an answer from outside" in text
    assert f"homa flow show {run.id}" in text
    assert "wait for an answer" not in text
    for i, claim in enumerate(stand.take()):
        stand.store.run(
            wait_for_answer(
                stand.store.keys, (claim.id, claim.attempt), Report("asked").encode(), f"token{i}", 60_000, b"{}"
            )
        )
    text = await browser.get(f"/batches/{run.id}")
    assert re.search(r">2</a> wait for an answer from outside", text)
    assert "0 of 2" in text
    assert "Steps" not in await browser.get(f"/batches/{stand.batch(good=1)}")


async def test_a_jobs_page_tells_what_it_waited_for(browser: Browser, stand: Stand) -> None:
    job = stand.queued()
    key = stand.store.keys.job(job)
    stand.redis("HSET", key, "hb", "3200 rpm openai/gpt-6-luna", "sb", stand.now_ms() - 3200)
    claim = stand.claimed(job)
    assert "3.2 s for rpm of openai/gpt-6-luna" in await browser.get(f"/jobs/{job}")
    stand.settle(claim)
    assert "3.2 s for rpm of openai/gpt-6-luna" in await browser.get(f"/jobs/{job}")
    expired = stand.queued()
    stand.redis("HSET", stand.store.keys.job(expired), "hb", "9000 batch b", "sb", stand.now_ms() - 9000)
    stand.fail(stand.claimed(expired), "expired")
    assert "9.0 s for its paused batch b" in await browser.get(f"/jobs/{expired}")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/jobs?state=nonsense", 400),
        ("/jobs?cursor=running@x", 400),
        ("/jobs?cursor=batch@1", 400),
        ("/jobs?cursor=nowhere@0", 400),
        ("/jobs?template=%00", 200),
        ("/jobs?template=a@b@c", 400),
        ("/jobs/nobody", 404),
        ("/batches/nobody", 404),
        ("/batches?cursor=x", 400),
        ("/events?before=x", 400),
        ("/costs?since=yesterday", 400),
        ("/costs?since=2026-02-02&until=2026-01-01", 400),
        ("/costs?since=2020-01-01", 400),
        ("/costs?by=batch", 400),
        ("/jobs?cursor=running@%D9%A3", 400),
        ("/batches?cursor=%D9%A3 b", 400),
        ("/events?before=%D9%A3-0", 400),
        ("/costs?until=0001-01-01", 200),
        ("/costs?since=9999-12-01&until=9999-12-31", 200),
        ("/act/burn", 404),
        ("/act/cancel-job", 404),
        ("/act/retry-jobs", 400),
        ("/act/unfreeze?scope=nobody", 400),
        ("/act/pause-queue?queue=nobody", 404),
        ("/search?q=nobody", 200),
        ("/static/0/nothing.js", 404),
        ("/static/0/..%2f..%2fpage.py", 404),
    ],
)
async def test_a_wrong_address_is_told_what_is_wrong(browser: Browser, path: str, status: int) -> None:
    await browser.get(path)
    assert browser.status == status


async def test_an_address_without_a_page_is_told_as_one(browser: Browser) -> None:
    for path in ("/nothing", "/jobs/a/b", "/logout", "/"):
        text = await browser.get(path)
        assert browser.status == 404
        assert "<h1>" in text
        assert f"there is no page &#39;/dashboard{path}&#39;" in text


async def test_digits_of_other_scripts_begin_at_the_first_result(browser: Browser, stand: Stand) -> None:
    await browser.get(f"/batches/{stand.batch()}?start=%C2%B2")
    assert browser.status == 200


async def test_files_are_kept_for_good_under_their_digest_alone(browser: Browser) -> None:
    for name in ("homa.css", "homa.js", "vendor/htmx.js", "vendor/hx-sse.js"):
        kept = await browser.client.get(asset(name))
        assert "immutable" in kept.headers["cache-control"]
        old = await browser.client.get(f"/dashboard/static/{'0' * 16}/{name}")
        assert old.content == kept.content
        assert old.headers["cache-control"] == "no-store"


def test_licences_stand_beside_what_is_not_ours() -> None:
    vendor = Path(dashboard_routes.__globals__["__file__"]).parent / "static" / "vendor"
    assert "Permission to use, copy" in (vendor / "htmx.LICENSE").read_text()


async def test_the_jobs_page_says_what_holds_a_job_and_where_it_goes_on(browser: Browser, stand: Stand) -> None:
    for _ in range(60):
        stand.queued(tags={"team": "a"})
    text = await browser.get("/jobs?tag=team%3Da")
    assert text.count("No live worker serves the queue") == 50
    more = re.search(r'hx-get="([^"]+)"', text)
    assert more
    rest = await browser.client.get(more[1].replace("&amp;", "&"), headers={"hx-request": "true"})
    assert rest.text.count("<tr") == 10
    assert "<html" not in rest.text


async def test_a_jobs_page_shows_where_its_time_and_money_went(browser: Browser, stand: Stand) -> None:
    job = stand.succeeded()
    text = await browser.get(f"/jobs/{job}")
    assert "Sent to openai" in text
    assert "$0.0000015" in text
    assert "homa jobs show " + job in text
    assert "hello" not in text.lower()


async def test_a_page_says_itself_in_python_that_runs(browser: Browser, stand: Stand) -> None:
    job, batch = stand.queued(tags={"team": "a'b"}), stand.batch()
    for path, call in ((f"/jobs/{job}", f'job("{job}")'), (f"/batches/{batch}", f'batch("{batch}")')):
        found = re.search(r'data-other="([^"]*)"', await browser.get(path))
        assert found
        assert call in unescape(found[1])
        compile(unescape(found[1]), path, "exec")


async def test_the_search_leads_to_a_job_a_batch_a_key_or_filters(browser: Browser, stand: Stand) -> None:
    batch, job = stand.batch(), stand.queued(key="ticket:7")
    for asked, where in ((job, f"/jobs/{job}"), (batch, f"/batches/{batch}"), ("ticket:7", f"/jobs/{job}")):
        answer = await browser.client.get("/dashboard/search", params={"q": asked}, follow_redirects=False)
        assert answer.headers["location"] == f"/dashboard{where}"
    answer = await browser.client.get("/dashboard/search?q=state:failed tag:team=a", follow_redirects=False)
    assert answer.headers["location"] == "/dashboard/jobs?state=failed&tag=team%3Da"


async def test_costs_as_csv_add_up_and_run_no_formula(browser: Browser, stand: Stand) -> None:
    stand.succeeded(tags={"@cmd": "1"})
    stand.succeeded(tags={"@cmd": "1"})
    lines = (await browser.get("/costs.csv?by=model")).splitlines()
    assert browser.headers["content-type"].startswith("text/csv")
    assert lines[1].split(",")[1:] == ["openai:gpt-6-luna", "2", "6", "4", "0", "0.000003", "0.00", "0"]
    assert "'@cmd=1" in await browser.get("/costs.csv?by=tag")


async def test_a_batchs_head_answers_how_far_it_is_and_what_it_will_cost(browser: Browser, stand: Stand) -> None:
    batch = stand.batch(good=8, bad=1, live=3)
    text = await browser.get(f"/batches/{batch}")
    assert ">9</a> of 12" in text
    # Eight lines at 1 500 nano-dollars, one for nothing, and three more at their mean.
    assert "$0.00001" in text
    assert "Refused as invalid by the provider" in text
    assert "Show answers" in text
    assert "answer 1" not in text


async def test_a_look_is_shared_and_counts_each_line_of_the_ledger_once(browser: Browser, stand: Stand) -> None:
    stand.succeeded()
    await browser.get()
    stand.succeeded()
    assert stand.store.run(reads.server_time(stand.store.keys))
    for _ in range(3):
        assert ">2</a> <small>jobs/min" in await browser.get() or ">1</a> <small>jobs/min" in browser.text
