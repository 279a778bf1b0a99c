"""Steps of flows that wait, answered over HTTP: by key, tenant and token."""

from __future__ import annotations

from typing import Any

import pytest

from homa import Flow, Homa
from homa_shared.store.gateway_keys import Role, new_key, put_key
from homa_workers.simulator import SimulatorThread
from tests.fixtures.store import eventually
from tests.gateway.conftest import DEFAULTS, MODEL, cell_at
from tests.gateway.test_own_batches import Api
from tests.patience import PATIENCE_S

VERDICT = {"type": "object", "properties": {"good": {"type": "boolean"}}, "required": ["good"]}


def approved() -> Flow:
    flow = Flow("approved")
    verdict = flow.wait(prompt="Is {{text}} good?", schema=VERDICT, on=MODEL, name="verdict")
    flow.map(verdict, prompt="{{verdict}}", model=MODEL, max_tokens=20, name="said")
    return flow


def test_answers_need_a_key_its_tenant_and_the_token(
    session_store_url: str, simulator: SimulatorThread, tmp_path_factory: pytest.TempPathFactory
) -> None:
    simulator.configure(**DEFAULTS)
    with cell_at(session_store_url, simulator, tmp_path_factory.mktemp("keyed")) as cell:
        cell.start_worker("openai")

        def key(role: Role, tenant: str) -> Api:
            made, shown = new_key(role, tenant, (), "")
            cell.store.run(put_key(cell.store.keys, made))
            return Api(cell, shown)

        first, _ = new_key(Role.ADMIN, "", (), "")
        cell.store.run(put_key(cell.store.keys, first))
        cell.start_gateway()
        admin, acme, other = key(Role.ADMIN, ""), key(Role.TENANT, "acme"), key(Role.TENANT, "other")
        viewer = key(Role.VIEWER, "")
        with Homa(redis_url=cell.env["HOMA_REDIS_URL"], namespace=cell.env["HOMA_NAMESPACE"]) as homa:
            run = homa.run(approved(), [{"text": "it"}], tenant="acme")
            place = f"/v1/flows/{run.id}/questions"

            def listed() -> list[dict[str, Any]]:
                found: list[dict[str, Any]] = acme.get(place)["data"]
                return found

            eventually(lambda: len(listed()) == 1)
            (question,) = listed()
            assert (question["text"], question["schema"], question["item"]) == ("Is it good?", VERDICT, "0")
            assert question["expires_ms"] > 0
            assert [each["token"] for each in viewer.get(place)["data"]] == [question["token"]]
            assert "is not in the store" in other.get(place, status=404)["message"]
            path, good = f"/v1/flow-answers/{question['token']}", {"answer": {"good": True}}
            nobody = Api(cell, "nonsense")
            assert nobody.post(path, good, status=401)["code"] == "invalid_api_key"
            assert viewer.post(path, good, status=403)["code"] == "role_not_allowed"
            unseen = other.post(path, good, status=404)
            assert unseen["message"] == acme.post(path[:-1] + "~", good, status=404)["message"]
            wrong = acme.post(path, {"answer": {"good": 3}}, status=400)
            assert "does not fit the schema of its step" in wrong["message"]
            assert "expected answer, and nothing else" in acme.post(path, {"good": True}, status=400)["message"]
            assert acme.post(path, good, status=200)["run"] == run.id
            assert admin.post(path, good, status=200)["job"] == question["job_id"]
            refused = acme.post(path, {"answer": {"good": False}}, status=409)
            assert refused["code"] == "answer_answered"
            (result,) = run.results(timeout=PATIENCE_S)
            assert result.ok
            assert listed() == []
