"""The dashboard in Debian's Chromium: what its scripts do, and that its policy stops nothing of its own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from homa_shared.store import reads
from tests.commands_b.stand import Stand
from tests.patience import PATIENCE_S

PAGES = ("", "/jobs", "/batches", "/failures", "/costs", "/limits", "/workers", "/schedules", "/events", "/audit")
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
WIDE, NARROW = {"width": 1400, "height": 900}, {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: `apt-get install chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Window:
    """A page of the browser, and whatever went wrong in it."""

    page: Page
    url: str
    #: Errors of scripts, blocked loads, dialogs, requests to elsewhere.
    wrong: list[str] = field(default_factory=list)

    def open(self, path: str = "") -> Page:
        self.page.goto(f"{self.url}/dashboard{path}", wait_until="domcontentloaded")
        return self.page

    def watch(self) -> None:
        self.page.on("console", lambda said: self.wrong.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.wrong.append("a dialog opened"), dialog.dismiss()))
        self.page.route("**/*", self._own_alone)

    def _own_alone(self, route: Route) -> None:
        if route.request.url.startswith((self.url, "data:")):
            route.continue_()
        else:
            self.wrong.append(f"asked {route.request.url}")
            route.abort()


@pytest.fixture
def window(chromium: Browser, stand: Stand) -> Iterator[Window]:
    with stand.process("gateway", "--port", "0") as gateway:
        assert gateway.stderr is not None
        url = ""
        while not url:
            line = gateway.stderr.readline()
            assert line, "the gateway did not start"
            url = "".join(re.findall(r"gateway at (http://[\d.:]+)", line))
        context = chromium.new_context(viewport=WIDE)
        context.set_default_timeout(PATIENCE_S * 1000)
        found = Window(context.new_page(), url)
        found.watch()
        yield found
        context.close()


def fill(stand: Stand) -> str:
    """A fleet with something of everything, hostile words in it; returns the id of a batch."""
    batch = stand.batch(good=4, bad=2, live=1)
    stand.beat()
    stand.succeeded(HOSTILE, prompt=HOSTILE, tags={"team": HOSTILE[:40]})
    stand.failed(prompt=HOSTILE)
    stand.due()
    stand.running()
    return batch


def test_every_page_fits_its_window_and_runs_nothing_but_its_own(window: Window, stand: Stand) -> None:
    batch = fill(stand)
    job = next(iter(stand.homa.jobs(state="failed"))).id
    for scheme in ("light", "dark"):
        window.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for size in (WIDE, NARROW):
            window.page.set_viewport_size(size)  # type: ignore[arg-type]
            for path in (*PAGES, f"/jobs/{job}", f"/batches/{batch}", f"/act/retry-job?job={job}"):
                page = window.open(path)
                assert page.evaluate("document.documentElement.dataset.theme") == scheme
                over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert over <= 0, f"{path} is {over} px too wide at {size['width']}"
    window.open(f"/jobs/{job}").get_by_role("button", name="Show content").click()
    expect(window.page.locator("#content")).to_contain_text("onerror")
    assert window.wrong == []


def test_the_overview_moves_by_itself_until_it_is_paused(window: Window, stand: Stand) -> None:
    fill(stand)
    page = window.open()
    failed = page.locator(".stats div", has_text="Failed, not retried").locator("a")
    expect(failed).to_have_text("3")
    stand.failed()
    expect(failed).to_have_text("4", timeout=PATIENCE_S * 1000)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".live")).to_contain_text("Paused")
    stand.failed()
    page.wait_for_timeout(2500)
    expect(failed).to_have_text("4")
    page.get_by_role("button", name="Resume").click()
    expect(failed).to_have_text("5", timeout=PATIENCE_S * 1000)
    assert window.wrong == []


def test_the_overview_is_live_however_late_a_script_of_it_comes(window: Window) -> None:
    page, held = window.page, list[Route]()
    page.route("**/hx-sse.js", lambda route: held.append(route))
    with page.expect_request(f"{window.url}/dashboard/live"):
        page.goto(f"{window.url}/dashboard", wait_until="commit")
        # htmx is there, and has done what it put off until later.
        page.evaluate("new Promise(function look(done) { setTimeout(window.htmx ? done : () => look(done)); })")
        held[0].continue_()
    assert window.wrong == []


def test_the_keyboard_moves_searches_and_opens(window: Window, stand: Stand) -> None:
    for _ in range(60):
        stand.queued()
    page = window.open("/jobs")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("tr.at")).to_have_count(1)
    second = page.locator("tbody tr").nth(1)
    expect(second).to_have_class(re.compile("at"))
    page.keyboard.press("k")
    expect(page.locator("tbody tr").first).to_have_class(re.compile("at"))
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Python").click()
    expect(page.locator(".cmd code")).to_contain_text("homa.jobs(limit=50)")
    page.get_by_role("link", name="Next 50").click()
    expect(page.locator("tbody tr")).to_have_count(60)
    page.keyboard.press("/")
    page.keyboard.type("state:failed tag:team=a")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"state=failed&tag=team%3Da$"))
    page.wait_for_load_state()
    page.keyboard.press("g")
    page.keyboard.press("b")
    expect(page).to_have_url(re.compile(r"/dashboard/batches$"))
    assert window.wrong == []


def test_an_action_asks_in_a_dialog_whose_focus_is_on_leaving_things_as_they_are(window: Window, stand: Stand) -> None:
    batch = stand.batch(good=1, bad=3)
    page = window.open(f"/batches/{batch}")
    page.get_by_role("link", name="Retry these 3…").click()
    dialog = page.locator("#ask")
    expect(dialog).to_contain_text("Retry 3 jobs?")
    expect(dialog.get_by_role("link", name="Leave as it is")).to_be_focused()
    dialog.get_by_role("link", name="Leave as it is").click()
    expect(dialog).to_be_hidden()
    assert stand.homa.batch(batch).progress().failed == 3
    page.get_by_role("link", name="Retry these 3…").click()
    dialog.get_by_role("button", name=re.compile(r"Retry these 3, at most \$")).click()
    expect(page.locator(".toast")).to_contain_text("3 jobs retried")
    assert stand.homa.batch(batch).progress().failed == 0
    assert len(stand.store.run(reads.jobs(stand.store.keys, state="queued")).jobs) == 3
    assert window.wrong == []
