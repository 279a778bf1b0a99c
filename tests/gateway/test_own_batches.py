"""Homa's own API: batches over HTTP, retries, lists, and what it tells of the fleet."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from homa_shared.model.money import parse_usd
from homa_shared.store import reads
from homa_shared.store.gateway_keys import Role, new_key, put_key
from homa_workers.simulator import SimulatorThread
from tests.fixtures.store import eventually
from tests.gateway.conftest import CLAUDE, DEFAULTS, MODEL, Cell, cell_at
from tests.gateway.wire import told
from tests.patience import PATIENCE_S


class Api:
    """The own API, asked with a key."""

    def __init__(self, cell: Cell, key: str = "") -> None:
        self._url, self._headers = cell.url, {"authorization": f"Bearer {key}"} if key else {}

    def get(self, path: str, status: int = 200) -> Any:
        answer = httpx2.get(self._url + path, headers=self._headers, timeout=PATIENCE_S)
        assert answer.status_code == status, answer.text
        return answer.json() if status == 200 else told(answer)

    def post(self, path: str, body: Any = None, status: int = 202) -> Any:
        answer = httpx2.post(self._url + path, json=body, headers=self._headers, timeout=PATIENCE_S)
        assert answer.status_code == status, answer.text
        return answer.json() if status < 300 else told(answer)

    def events(self, path: str, after: str = "") -> list[tuple[str, str, dict[str, Any]]]:
        """Id, name and data of each event."""
        found, event_id, name = [], "", ""
        headers = self._headers | ({"last-event-id": after} if after else {})
        with httpx2.stream("GET", self._url + path, headers=headers, timeout=PATIENCE_S) as answer:
            for line in answer.iter_lines():
                field, _, value = line.partition(": ")
                if field == "id":
                    event_id = value
                elif field == "event":
                    name = value
                elif field == "data":
                    found.append((event_id, name, json.loads(value)))
        return found

    def ended(self, batch: str) -> dict[str, Any]:
        eventually(lambda: self.get(f"/v1/job-batches/{batch}")["state"] == "complete")
        found: dict[str, Any] = self.get(f"/v1/job-batches/{batch}")
        return found


@pytest.fixture
def api(cell: Cell) -> Api:
    return Api(cell)


def test_a_batch_is_submitted_read_and_followed_from_any_line_on(api: Api) -> None:
    requests = ["One.", {"prompt": "Two.", "custom_id": "second", "model": CLAUDE}, {"prompt": "Three."}]
    made = api.post("/v1/job-batches", {"model": MODEL, "max_tokens": 20, "name": "three", "requests": requests})
    assert (made["object"], made["total"], made["name"]) == ("job_batch", 3, "three")
    ended = api.ended(made["id"])
    assert (ended["succeeded"], ended["failed"]) == (3, 0)
    assert Decimal(ended["cost_usd"]) > 0
    page = api.get(f"/v1/job-batches/{made['id']}/results")
    assert [line["position"] for line in page["data"]] == [1, 2, 3]
    assert "second" in [line["custom_id"] for line in page["data"]]
    assert all(line["response"]["body"]["choices"] for line in page["data"])
    assert (page["position"], page["has_more"]) == (3, False)
    assert api.get(f"/v1/job-batches/{made['id']}/results?after=2")["data"] == page["data"][2:]
    events = api.events(f"/v1/job-batches/{made['id']}/events", "1")
    assert [(event_id, name) for event_id, name, _ in events] == [("2", "line"), ("3", "line"), ("3", "end")]
    assert events[-1][2]["succeeded"] == 3
    assert made["id"] in [row["id"] for row in api.get("/v1/job-batches?name=three&state=complete")["data"]]
    jobs = api.get(f"/v1/jobs?batch={made['id']}&limit=2")["data"]
    assert [job["state"] for job in jobs] == ["succeeded", "succeeded"]


def test_failed_lines_and_jobs_are_retried(api: Api, cell: Cell) -> None:
    cell.simulator.configure(faults={"invalid": 1.0})
    made = api.post("/v1/job-batches", {"model": MODEL, "requests": ["a", "b"]})
    assert api.ended(made["id"])["failed"] == 2
    job = api.post("/v1/jobs", {"model": MODEL, "prompt": "c"})["id"]
    eventually(lambda: cell.state(job) == "failed")
    cell.simulator.configure(faults={})
    assert api.post(f"/v1/job-batches/{made['id']}/retry", {})["retried"] == 2
    assert api.ended(made["id"])["succeeded"] == 2
    again = api.post(f"/v1/jobs/{job}/retry")
    assert (again["retry_of"], again["is_new"]) == (job, True)
    assert api.post(f"/v1/jobs/{job}/retry")["id"] == again["id"]
    eventually(lambda: cell.state(again["id"]) == "succeeded")
    assert api.post(f"/v1/jobs/{again['id']}/retry", status=409)["code"] == "not_retried"


def test_a_batch_is_cancelled(api: Api, cell: Cell) -> None:
    cell.simulator.configure(latency_ms=30_000.0)
    made = api.post("/v1/job-batches", {"model": MODEL, "requests": ["a", "b"]})
    assert api.post(f"/v1/job-batches/{made['id']}/cancel", status=200)["cancel"] is True
    assert api.ended(made["id"])["cancelled"] == 2


def test_the_fleet_is_told_as_the_commands_tell_it(api: Api) -> None:
    api.post("/v1/jobs", {"model": MODEL, "prompt": "hi", "max_tokens": 20})
    eventually(lambda: api.get("/v1/costs")["rows"])
    costs = api.get("/v1/costs?by=model")
    assert Decimal(costs["total_usd"]) == sum(Decimal(row["cost_usd"]) for row in costs["rows"])
    assert {row["queue"] for row in api.get("/v1/queues")["data"]} >= {"openai"}
    assert "openai" in {row["scope"].partition("/")[0] for row in api.get("/v1/limits")["data"]}
    assert all(row["id"] for row in api.get("/v1/workers?gone=true")["data"])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "requests"),
        ({"requests": []}, "requests"),
        ({"requests": "a"}, "requests"),
        ({"requests": [7], "model": MODEL}, "requests[0]"),
        ({"requests": ["a"], "model": 7}, None),
        ({"requests": ["a"], "model": MODEL, "nonsense": 1}, None),
        ({"requests": [{"prompt": "a", "tenant": "x"}], "model": MODEL}, "requests[0].tenant"),
        ({"requests": ["a"], "model": MODEL, "name": 7}, "name"),
        ({"requests": [{"prompt": "a", "images": ["/etc/passwd"]}], "model": MODEL}, None),
    ],
)
def test_a_wrong_batch_is_refused_by_name_and_nothing_is_submitted(
    api: Api, cell: Cell, body: dict[str, Any], param: str | None
) -> None:
    before = cell.jobs()
    error = api.post("/v1/job-batches", body, status=400)
    assert param is None or error["param"] == param
    assert cell.jobs() == before


@pytest.mark.parametrize("path", ["jobs?state=odd", "jobs?limit=0", "jobs?odd=1", "costs?by=odd", "costs?since=odd"])
def test_a_wrong_query_is_refused(api: Api, path: str) -> None:
    assert api.get(f"/v1/{path}", status=400)["code"] == "invalid_request"


def test_a_line_that_cannot_be_done_cancels_what_was_sent_of_its_batch(api: Api) -> None:
    requests = ["a"] * 3 + [{"prompt": "b", "model": "nobody:x"}]
    api.post("/v1/job-batches", {"model": MODEL, "name": "half", "requests": requests}, status=404)
    (found,) = api.get("/v1/job-batches?name=half")["data"]
    assert found["cancel"] is True


def test_keys_hold_for_batches_as_for_jobs(
    session_store_url: str, simulator: SimulatorThread, tmp_path_factory: pytest.TempPathFactory
) -> None:
    simulator.configure(**DEFAULTS)
    with cell_at(session_store_url, simulator, tmp_path_factory.mktemp("keyed")) as cell:
        cell.start_worker("openai")

        def key(role: Role, tenant: str, models: tuple[str, ...] = (), **bounds: Any) -> Api:
            made, shown = new_key(role, tenant, models, "", **bounds)
            cell.store.run(put_key(cell.store.keys, made))
            return Api(cell, shown)

        first, _ = new_key(Role.ADMIN, "", (), "")
        cell.store.run(put_key(cell.store.keys, first))
        cell.start_gateway()
        acme, other = key(Role.TENANT, "acme", ("openai:*",), cap_nano_usd=parse_usd("0.01")), key(Role.TENANT, "other")
        viewer = key(Role.VIEWER, "")
        lines = {"model": MODEL, "max_tokens": 20, "requests": ["a", "b"]}
        made = acme.post("/v1/job-batches", lines)["id"]
        assert acme.ended(made)["succeeded"] == 2
        rows = [row for row in cell.store.run(reads.budgets(cell.store.keys)) if row.instance.startswith("key:")]
        assert [row.spent_nano_usd > 0 for row in rows] == [True]
        dear = acme.post("/v1/job-batches", {"model": MODEL, "max_tokens": 9000, "requests": ["a"]})["id"]
        assert acme.ended(dear)["failed"] == 1
        for path in (f"/v1/job-batches/{made}", f"/v1/job-batches/{made}/results", f"/v1/job-batches/{made}/events"):
            assert (
                other.get(path, status=404)["message"].replace(made, "x")
                == other.get(path.replace(made, "x"), status=404)["message"]
            )
        assert other.get("/v1/job-batches")["data"] == []
        assert other.get("/v1/job-batches?tenant=acme")["data"] == []
        assert other.get(f"/v1/jobs?batch={made}")["data"] == []
        assert viewer.get(f"/v1/job-batches/{made}")["tenant"] == "acme"
        assert viewer.post("/v1/job-batches", lines, status=403)["code"] == "role_not_allowed"
        line = {"prompt": "a", "fallbacks": [CLAUDE]}
        refused = acme.post("/v1/job-batches", {**lines, "requests": [line]}, status=403)
        assert refused["code"] == "model_not_allowed"
        assert acme.post("/v1/job-batches", {**lines, "tenant": "other"}, status=403)["param"] == "tenant"
        assert {row["key"] for row in acme.get("/v1/costs")["rows"]} == {"acme"}
        assert acme.get("/v1/costs?by=model", status=403)["code"] == "role_not_allowed"
        for path in ("/v1/limits", "/v1/queues", "/v1/workers"):
            assert acme.get(path, status=403)["code"] == "role_not_allowed"
            assert viewer.get(path)["object"] == "list"
