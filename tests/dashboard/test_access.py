"""Who sees which page, who acts, and what another site's page cannot do."""

from __future__ import annotations

import asyncio

import pytest

from homa_shared.store.gateway_keys import Role, revoke_key
from homa_shared.store.operation import Op
from tests.commands_b.stand import Stand
from tests.dashboard.conftest import Browser, browsing, make_key, state

FLEET_PAGES = ("/live", "/failures", "/limits", "/workers", "/schedules", "/events", "/audit")


async def test_with_keys_a_page_asks_for_one_and_then_shows_what_was_asked_for(browser: Browser, stand: Stand) -> None:
    _, shown = make_key(stand, Role.OPERATOR)
    text = await browser.get("/jobs?state=failed")
    assert 'name="key"' in text
    await browser.post("/dashboard/login?next=%2Fdashboard%2Fjobs%3Fstate%3Dfailed", {"key": shown})
    assert "chip" in browser.text
    assert browser.status == 200
    kept = browser.client.cookies.jar
    cookie = next(each for each in kept if each.name == "homa_session")
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "strict"
    assert cookie.path == "/dashboard"


async def test_a_wrong_key_opens_nothing_and_is_not_told_again(browser: Browser, stand: Stand) -> None:
    _, shown = make_key(stand, Role.OPERATOR)
    for wrong in ("", "nonsense", shown[:-1] + ("A" if shown[-1] != "A" else "B"), shown + "x"):
        text = await browser.sign_in(wrong)
        assert browser.status == 401
        assert not wrong or wrong not in text
    assert not browser.client.cookies


@pytest.mark.parametrize(
    "wanted", ["https://evil.example", "//evil.example", "/v1/jobs", "/dashboard\\@evil", "/dashboardx"]
)
async def test_signing_in_leads_to_no_other_site(browser: Browser, stand: Stand, wanted: str) -> None:
    _, shown = make_key(stand, Role.OPERATOR)
    answer = await browser.client.post(
        "/dashboard/login", params={"next": wanted}, data={"key": shown}, follow_redirects=False
    )
    assert answer.headers["location"] == "/dashboard"


async def test_a_session_is_over_a_second_after_its_key_was_revoked(browser: Browser, stand: Stand) -> None:
    key_id, shown = make_key(stand, Role.OPERATOR)
    await browser.sign_in(shown)
    assert "Overview" in await browser.get()
    stand.store.run(revoke_key(stand.store.keys, key_id, 1))
    await asyncio.sleep(1)
    assert 'name="key"' in await browser.get()


async def test_a_session_ends_by_signing_out_for_every_gateway(browser: Browser, stand: Stand) -> None:
    _, shown = make_key(stand, Role.OPERATOR)
    await browser.sign_in(shown)
    token = browser.client.cookies["homa_session"]
    await browser.submit("/logout")
    assert 'name="key"' in browser.text
    async with browsing() as other:
        other.client.cookies.set("homa_session", token, path="/dashboard")
        assert 'name="key"' in await other.get()


async def test_the_store_keeps_no_token(browser: Browser, stand: Stand) -> None:
    _, shown = make_key(stand, Role.OPERATOR)
    await browser.sign_in(shown)
    token = browser.client.cookies["homa_session"]
    names = stand.store.run(Op((("KEYS", f"{stand.store.keys.prefix}*"),), lambda replies: replies[0]))
    assert any(b"session:" in name for name in names)
    assert not any(token.encode() in name for name in names)


async def test_a_tenant_sees_its_own_and_nothing_of_the_fleet(browser: Browser, stand: Stand) -> None:
    mine, others = stand.queued(tenant="acme"), stand.queued(tenant="borealis")
    batch = stand.homa.submit_batch(["a"], model="openai:gpt-6-luna", max_tokens=5, tenant="borealis", name="secret").id
    stand.settle(stand.claimed(stand.queued(tenant="borealis")))
    _, shown = make_key(stand, Role.TENANT, "acme")
    await browser.sign_in(shown)
    assert mine in browser.text
    assert others not in browser.text
    assert others not in await browser.get("/jobs?tenant=borealis")
    assert mine in await browser.get(f"/jobs/{mine}")
    for path in (
        f"/jobs/{others}",
        f"/batches/{batch}",
        f"/act/cancel-job?job={others}",
        f"/act/cancel-batch?batch={batch}",
    ):
        await browser.get(path)
        assert browser.status == 404
    assert "secret" not in await browser.get("/batches")
    assert "$0.0000015" not in await browser.get("/costs")
    for path in (*FLEET_PAGES, "/costs?by=tenant", "/act/pause-queue?queue=openai", "/act/unfreeze?scope=openai"):
        await browser.get(path)
        assert browser.status in (400, 403)


async def test_the_search_tells_another_tenants_ids_from_none_in_no_way(browser: Browser, stand: Stand) -> None:
    job = stand.queued(tenant="borealis")
    batch = stand.homa.submit_batch(["a"], model="openai:gpt-6-luna", max_tokens=5, tenant="borealis").id
    _, shown = make_key(stand, Role.TENANT, "acme")
    await browser.sign_in(shown)
    for asked in (job, batch, "nobody"):
        answer = await browser.client.get("/dashboard/search", params={"q": asked}, follow_redirects=False)
        assert answer.headers["location"] == f"/dashboard/jobs?note={asked}"


async def test_a_viewer_sees_all_and_changes_nothing(browser: Browser, stand: Stand) -> None:
    job = stand.failed()
    _, shown = make_key(stand, Role.VIEWER)
    await browser.sign_in(shown)
    text = await browser.get(f"/jobs/{job}")
    assert "Retry…" not in text
    assert "Show content" not in text
    await browser.get(f"/act/retry-job?job={job}")
    assert browser.status == 403
    csrf = browser.form("/logout")[1]["csrf"] if "/logout" in browser.text else ""
    for path in (f"/dashboard/act/retry-job?job={job}", f"/dashboard/jobs/{job}/content"):
        await browser.post(path, {"csrf": csrf, "most": "9" * 12})
        assert browser.status == 403


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}])
async def test_another_sites_page_changes_nothing(browser: Browser, stand: Stand, headers: dict[str, str]) -> None:
    job = stand.queued()
    await browser.get(f"/act/cancel-job?job={job}")
    address, fields = browser.form("/act/cancel-job")
    await browser.post(address, fields, **headers)
    assert browser.status == 403
    assert state(stand, job) == "queued"


@pytest.mark.parametrize("csrf", ["", "0" * 64, "é"])
async def test_a_form_without_the_sessions_token_changes_nothing(browser: Browser, stand: Stand, csrf: str) -> None:
    job = stand.queued()
    await browser.get(f"/act/cancel-job?job={job}")
    await browser.submit("/act/cancel-job", csrf=csrf)
    assert browser.status == 403
    assert state(stand, job) == "queued"


async def test_the_token_of_one_session_is_of_no_use_in_another(browser: Browser, stand: Stand) -> None:
    job = stand.queued()
    await browser.get(f"/act/cancel-job?job={job}")
    address, fields = browser.form("/act/cancel-job")
    async with browsing() as other:
        await other.get()
        await other.post(address, fields)
        assert other.status == 403


async def test_without_keys_another_machines_name_is_not_answered(browser: Browser) -> None:
    await browser.get(host="evil.example")
    assert browser.status == 403
    await browser.get(**{"sec-fetch-site": "cross-site"})
    assert browser.status == 403


async def test_a_form_that_is_none_or_too_long_is_refused(browser: Browser, stand: Stand) -> None:
    job = stand.queued()
    address = f"/dashboard/act/cancel-job?job={job}"
    told = await browser.client.post(address, content=b"{}", headers={"content-type": "application/json"})
    assert told.status_code == 415
    await browser.post(address, {"csrf": "x" * 100_000})
    assert browser.status == 413
    await browser.post(address, {f"f{i}": "" for i in range(200)})
    assert browser.status == 400
