"""A job that comes over HTTP names a URL, by a header or an option, and a worker tells it of the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest

from homa_shared.store.reads.webhooks import webhooks
from homa_workers.simulator import SimulatorThread
from tests.fixtures.store import eventually
from tests.gateway.conftest import MODEL, Cell, cell_at
from tests.gateway.test_batches import create, ended, line
from tests.gateway.test_keys import homa
from tests.gateway.wire import JSON, post, told

ASK: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 20}


class Hook(BaseHTTPRequestHandler):
    got: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(204)
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    got: list[dict[str, Any]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Kept", (Hook,), {"got": got}))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/secret", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_batch_of_a_file_is_told_of_once(telling: Cell, hook: tuple[str, list[dict[str, Any]]]) -> None:
    url, got = hook
    client = telling.openai()
    made = create(client, [line("a"), line("b")], extra_headers={"x-homa-webhook": url})
    assert ended(client, made).status == "completed"
    eventually(lambda: got)
    assert [told["type"] for told in got] == ["batch.completed"]
    assert (got[0]["data"]["total"], got[0]["data"]["succeeded"]) == (2, 2)


def test_a_file_that_is_none_of_requests_is_told_of(telling: Cell, hook: tuple[str, list[dict[str, Any]]]) -> None:
    url, got = hook
    client = telling.openai()
    made = create(client, [b"nonsense"], extra_headers={"x-homa-webhook": url})
    assert ended(client, made).status == "failed"
    eventually(lambda: got)
    assert (got[0]["data"]["id"], got[0]["data"]["total"]) == (made.id.removeprefix("batch_"), 0)


@pytest.fixture
def telling(store_url: str, simulator: SimulatorThread, tmp_path: Path) -> Iterator[Cell]:
    """A cell whose workers may post to this machine."""
    with cell_at(store_url, simulator, tmp_path / "home") as cell:
        cell.env["HOMA_DELIVER_PRIVATE"] = "true"
        cell.start_worker("openai")
        cell.start_gateway()
        yield cell


def test_the_ends_of_jobs_are_posted_listed_and_never_shown_in_full(
    telling: Cell, hook: tuple[str, list[dict[str, Any]]]
) -> None:
    url, got = hook
    headers = {"x-homa-webhook": url}
    chat = telling.openai().chat.completions.with_raw_response.create(**ASK, extra_headers=headers)
    made = httpx2.post(f"{telling.url}/v1/jobs", json={**ASK, "webhook": url, "metadata": {"n": 1}}, timeout=45)
    assert made.status_code == 202
    eventually(lambda: len(got) == 2)
    assert {told["data"]["id"] for told in got} == {chat.headers["x-homa-job"], made.json()["id"]}
    assert {told["type"] for told in got} == {"job.succeeded"}
    assert {"n": 1} in [told["data"]["metadata"] for told in got]
    eventually(lambda: {hook.state for hook in telling.store.run(webhooks(telling.store.keys, ""))} == {"delivered"})
    listed = homa(telling, "webhooks", "list", "--json").stdout
    rows = json.loads(listed)["webhooks"]
    assert {row["job"] for row in rows} == {told["data"]["id"] for told in got}
    assert "secret" not in listed
    refused = homa(telling, "webhooks", "replay", rows[0]["id"])
    assert refused.returncode == 2
    assert "delivered" in refused.stderr
    assert homa(telling, "webhooks", "replay", "--failed").stderr.count("0 sent again") == 1
    assert homa(telling, "webhooks", "replay").returncode == 2
    assert homa(telling, "webhooks", "replay", "nobody").returncode == 2


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "https://", "https://user:pass@example.com/", "https://a b/", "x"]
)
def test_a_url_that_is_none_is_refused_and_nothing_is_submitted(cell: Cell, url: str) -> None:
    before = cell.jobs()
    refused = post(f"{cell.url}/v1/chat/completions", json.dumps(ASK), {**JSON, "x-homa-webhook": url})
    assert refused.status_code == 400
    assert told(refused)["param"] == "webhook"
    assert "pass" not in refused.text
    assert cell.jobs() == before


def test_settings_give_a_tenant_a_webhook(
    store_url: str, simulator: SimulatorThread, tmp_path: Path, hook: tuple[str, list[dict[str, Any]]]
) -> None:
    url, got = hook
    with cell_at(store_url, simulator, tmp_path / "home") as cell:
        config = Path(cell.env["HOMA_CONFIG"])
        config.write_text(config.read_text() + f'[tenants.acme]\nwebhook = "{url}"\n')
        cell.env["HOMA_DELIVER_PRIVATE"] = "true"
        cell.start_worker("openai")
        code = (
            "from homa import Homa\n"
            "with Homa() as homa:\n"
            f"    homa.submit('a', model='{MODEL}', tenant='acme').result(timeout=60)\n"
            f"    homa.submit('b', model='{MODEL}').result(timeout=60)\n"
            f"    homa.submit_batch(['c', 'd'], model='{MODEL}', tenant='acme', name='two').wait(timeout=60)\n"
        )
        subprocess.run([sys.executable, "-c", code], env={**os.environ, **cell.env}, check=True)
        eventually(lambda: len(got) == 2)
        assert sorted(told["type"] for told in got) == ["batch.completed", "job.succeeded"]
        assert {told["data"]["tenant"] for told in got} == {"acme"}
