"""Homa's own jobs over HTTP: submitted, read, followed from any event on, cancelled; and probes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fixtures.store import eventually
from tests.gateway.conftest import MODEL, Cell
from tests.gateway.wire import raw, told
from tests.media.samples import PDF, PNG
from tests.patience import PATIENCE_S


def submit(cell: Cell, **options: Any) -> str:
    response = httpx2.post(f"{cell.url}/v1/jobs", json={"model": MODEL, "max_tokens": 200, **options})
    assert response.status_code == 202, response.text
    assert response.headers["location"] == f"/v1/jobs/{response.json()['id']}"
    return str(response.json()["id"])


def show(cell: Cell, job: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx2.get(f"{cell.url}/v1/jobs/{job}").json()
    return found


def events(cell: Cell, job: str, headers: dict[str, str] | None = None) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, id and data of each event."""
    fields: dict[str, str] = {}
    url = f"{cell.url}/v1/jobs/{job}/events"
    with httpx2.stream("GET", url, headers=headers, timeout=PATIENCE_S) as response:
        assert response.status_code == 200, response.read()
        for line in response.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields.get("data"):
                yield fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"])
                fields = {}


def test_a_job_is_submitted_and_read_with_its_result_as_a_results_file_has_it(cell: Cell) -> None:
    job = submit(cell, prompt="hello", tags={"team": "blue"}, metadata={"ticket": 7})
    eventually(lambda: show(cell, job)["state"] == "succeeded")
    found = show(cell, job)
    assert found["tags"] == {"team": "blue"}
    assert found["attempts"][0]["outcome"] == "succeeded"
    assert found["result"]["response"]["body"]["choices"][0]["message"]["content"] == "hello"
    assert found["result"]["homa"]["metadata"] == {"ticket": 7}
    assert found["result"]["error"] is None


def test_a_failed_job_says_why(cell: Cell) -> None:
    cell.simulator.script("400")
    job = submit(cell, prompt="hello")
    eventually(lambda: show(cell, job)["state"] == "failed")
    assert show(cell, job)["result"]["error"]["code"] == "invalid_request"
    name, _, data = list(events(cell, job))[-1]
    assert (name, data["state"]) == ("end", "failed")


def test_events_go_on_after_the_last_one_that_was_seen(cell: Cell) -> None:
    cell.simulator.configure(reply="words", output_tokens=60, token_ms=5.0)
    job = submit(cell, prompt="a story", stream=True)
    following = events(cell, job)
    name, seen, data = next(following)
    following.close()
    assert name == "delta"
    text = data["text"]
    *pieces, end = list(events(cell, job, {"last-event-id": seen}))
    text += "".join(piece["text"] for _, _, piece in pieces)
    assert end[0] == "end"
    assert end[2]["result"]["response"]["body"]["choices"][0]["message"]["content"] == text
    ids = [tuple(map(int, event_id.split("-"))) for _, event_id, _ in pieces]
    assert ids == sorted(ids)
    assert len(pieces) > 1
    assert cell.state(job) == "succeeded"


def test_who_stops_following_leaves_the_job_as_it_is(cell: Cell) -> None:
    cell.simulator.configure(reply="words", output_tokens=60, token_ms=10.0)
    job = submit(cell, prompt="a story", stream=True)
    next(events(cell, job))
    eventually(lambda: cell.state(job) == "succeeded")


def test_a_job_is_cancelled(cell: Cell) -> None:
    job = submit(cell, prompt="later", delay_s=3600)
    response = httpx2.post(f"{cell.url}/v1/jobs/{job}/cancel")
    assert response.json()["state"] == "cancelled"
    assert show(cell, job)["result"]["error"]["code"] == "cancelled"


def test_the_head_of_an_event_stream_is_not_waited_for(cell: Cell) -> None:
    job = submit(cell, prompt="later", delay_s=3600)
    request = f"HEAD /v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = raw(cell.url, request.encode()).decode()
    assert answer.startswith("HTTP/1.1 200 ")
    assert "content-type: text/event-stream" in answer
    assert answer.endswith("\r\n\r\n")


@pytest.mark.parametrize(
    ("body", "offender"),
    [
        ({"model": MODEL}, "prompt"),
        ({"model": MODEL, "prompt": 7}, "prompt"),
        ({"model": MODEL, "prompt": "x", "lane": "fast"}, "lane"),
        ({"model": MODEL, "prompt": "x", "colour": "red"}, "colour"),
        ({"model": MODEL, "prompt": "x", "images": ["/etc/passwd"]}, "images of a job"),
        ({"model": MODEL, "prompt": "x", "files": ["/etc/passwd"]}, "files of a job"),
        ({"model": MODEL, "prompt": "x", "provider_options": {"tenant": "other"}}, "provider_options"),
        ({"model": 7, "prompt": "x"}, "model"),
        ({"prompt": "x"}, "model"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_submitted(cell: Cell, body: dict[str, Any], offender: str) -> None:
    before = cell.jobs()
    response = httpx2.post(f"{cell.url}/v1/jobs", json=body)
    assert response.status_code == 400
    assert offender in told(response)["message"]
    assert cell.jobs() == before


@pytest.mark.parametrize("place", ["", "provider_options"])
@pytest.mark.parametrize(("name", "data"), [("images", PNG), ("files", PDF)], ids=["images", "files"])
def test_no_file_of_the_gateways_machine_is_opened(
    cell: Cell, tmp_path: Path, place: str, name: str, data: bytes
) -> None:
    before, path = cell.jobs(), tmp_path / "private"
    path.write_bytes(data)
    named = {name: [str(path)]}
    asked = {"model": MODEL, "prompt": "x", **({place: named} if place else named)}
    response = httpx2.post(f"{cell.url}/v1/jobs", json=asked)
    assert response.status_code == 400, response.text
    assert "no file is opened" in told(response)["message"]
    assert cell.jobs() == before


@pytest.mark.parametrize("notes", [7, None, {"a": 1}, "x", [{}]])
def test_a_job_is_told_whatever_its_metadata_hold(cell: Cell, notes: Any) -> None:
    job = submit(cell, prompt="hello", metadata={"homa_document_notes": notes, "a": "b"})
    assert [name for name, _, _ in events(cell, job)][-1] == "end"
    assert show(cell, job)["result"]["homa"]["metadata"] == {"a": "b"}


@pytest.mark.parametrize("after", ["yesterday", "1-2-3", "-", "9" * 40 + "-0"])
def test_an_event_that_does_not_exist_is_told(cell: Cell, after: str) -> None:
    job = submit(cell, prompt="hello")
    response = httpx2.get(f"{cell.url}/v1/jobs/{job}/events", headers={"last-event-id": after})
    assert response.status_code == 400
    told(response)


def test_an_unknown_job_is_not_found(cell: Cell) -> None:
    for path, method in (("/v1/jobs/j0", "GET"), ("/v1/jobs/j0/events", "GET"), ("/v1/jobs/j0/cancel", "POST")):
        response = httpx2.request(method, cell.url + path)
        assert (response.status_code, told(response)["code"]) == (404, "not_found")


def test_probes_answer_without_a_key(cell: Cell) -> None:
    assert httpx2.get(f"{cell.url}/healthz").json() == {"status": "ok"}
    assert httpx2.get(f"{cell.url}/readyz").json() == {"status": "ok"}
