"""Clients that go away, and a gateway that stops: jobs are cancelled or go on as asked."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx2
import pytest

from homa_shared.store import reads
from tests.fixtures.store import eventually
from tests.gateway.conftest import MODEL, Cell
from tests.gateway.wire import JSON
from tests.patience import PATIENCE_S

ASK: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "a long story"}], "max_tokens": 400}


def leave(cell: Cell, headers: dict[str, str], *, stream: bool) -> str:
    """Asks, waits until the job runs, and goes away; returns the job's id."""
    known = {job.id for job in cell.store.run(reads.jobs(cell.store.keys, limit=500)).jobs}
    gone = threading.Event()

    def ask() -> None:
        client = httpx2.Client(timeout=PATIENCE_S)
        body = json.dumps(ASK | {"stream": stream})
        request = client.build_request(
            "POST", f"{cell.url}/v1/chat/completions", content=body, headers={**JSON, **headers}
        )
        try:
            if stream:
                response = client.send(request, stream=True)
                next(response.iter_raw())
                gone.wait(PATIENCE_S)
                response.close()
            else:
                client.send(request)
        except httpx2.HTTPError:
            pass
        finally:
            client.close()

    def new() -> list[str]:
        found = cell.store.run(reads.jobs(cell.store.keys, limit=500)).jobs
        return [job.id for job in found if job.id not in known and job.state == "running"]

    if stream:
        thread = threading.Thread(target=ask)
        thread.start()
        eventually(new)
        job = new()[0]
        gone.set()
        thread.join()
        return job
    # A plain request is cut by its own connection.
    import socket
    from urllib.parse import urlsplit

    address = urlsplit(cell.url)
    body = json.dumps(ASK).encode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**JSON, **headers}.items())
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(head.encode() + body)
        eventually(new)
        return new()[0]


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_cancels_its_job(cell: Cell, stream: bool) -> None:
    cell.simulator.configure(
        latency_ms=30_000.0 if not stream else 0.0, token_ms=200.0, output_tokens=300, reply="words"
    )
    job = leave(cell, {}, stream=stream)
    eventually(lambda: cell.state(job) == "cancelled")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("headers", [{"x-homa-keep": "true"}, {"idempotency-key": "k"}])
def test_a_job_that_is_to_be_kept_goes_on(cell: Cell, headers: dict[str, str], stream: bool) -> None:
    cell.simulator.configure(latency_ms=700.0, token_ms=1.0, reply="words")
    named = {name: f"{value}-{stream}" if name == "idempotency-key" else value for name, value in headers.items()}
    job = leave(cell, named, stream=stream)
    eventually(lambda: cell.state(job) == "succeeded")


def test_a_key_is_no_reason_to_keep_a_job_that_is_not_to_be_kept(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=30_000.0)
    job = leave(cell, {"idempotency-key": "not-kept", "x-homa-keep": "false"}, stream=False)
    eventually(lambda: cell.state(job) == "cancelled")


def test_a_request_waits_no_longer_than_the_gateway_does(bare_cell: Cell) -> None:
    cell = bare_cell
    cell.start_worker("openai")
    cell.start_gateway("--wait", "500ms")
    cell.simulator.configure(latency_ms=5_000.0)
    for headers, left in (({}, "cancelled"), ({"idempotency-key": "k"}, "succeeded")):
        response = httpx2.post(f"{cell.url}/v1/chat/completions", json=ASK, headers=headers, timeout=PATIENCE_S)
        assert (response.status_code, response.json()["error"]["code"]) == (504, "timeout")
        assert response.headers["x-should-retry"] == "false"
        job = response.headers["x-homa-job"]
        eventually(lambda job=job, left=left: cell.state(job) == left)


def test_a_gateway_that_is_told_to_stop_leaves_its_jobs_alone(bare_cell: Cell) -> None:
    cell = bare_cell
    cell.start_worker("openai")
    cell.start_gateway()
    assert cell.gateway is not None
    body = {"model": MODEL, "prompt": "hi", "max_tokens": 20}
    job = httpx2.post(f"{cell.url}/v1/jobs", json=body).json()["id"]
    cell.stop_gateway()
    eventually(lambda: cell.state(job) == "succeeded")
