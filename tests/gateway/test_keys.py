"""Keys, tenants and roles; and what is asked of a request while no key has been made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import httpx2
import openai
import pytest

from homa_shared.store.gateway_keys import Role, all_keys, find_key, new_key, put_key, revoke_key
from homa_shared.store.operation import Op
from tests.fixtures.store import eventually
from tests.gateway.conftest import CLAUDE, MODEL, Cell
from tests.gateway.wire import JSON, post, raw, told

ASK: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 20}


def homa(cell: Cell, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "homa.cli", *arguments]
    return subprocess.run(command, env={**os.environ, **cell.env}, capture_output=True, text=True, check=False)


def make(cell: Cell, role: Role = Role.TENANT, tenant: str = "acme", models: tuple[str, ...] = ()) -> tuple[str, str]:
    """Id and text of a key."""
    key, shown = new_key(role, tenant, models, "")
    cell.store.run(put_key(cell.store.keys, key))
    return key.id, shown


@pytest.fixture
def keyed(bare_cell: Cell) -> Cell:
    bare_cell.start_worker("openai", "anthropic")
    bare_cell.start_gateway()
    return bare_cell


def test_a_key_is_made_shown_once_listed_and_revoked(bare_cell: Cell) -> None:
    made = homa(bare_cell, "keys", "create", "--tenant", "acme", "--name", "ci", "--json")
    key = json.loads(made.stdout)
    assert key["key"].startswith(f"homa_{key['id']}_")
    listed = homa(bare_cell, "keys", "list", "--json").stdout
    assert [row["id"] for row in json.loads(listed)["keys"]] == [key["id"]]
    secret = key["key"].rpartition(key["id"] + "_")[2]
    everything = bare_cell.store.run(Op((("HGETALL", bare_cell.store.keys.own("gateway", "keys")),), lambda r: repr(r)))
    assert secret not in listed + everything
    assert homa(bare_cell, "keys", "revoke", key["id"]).returncode == 0
    assert json.loads(homa(bare_cell, "keys", "list", "--json").stdout)["keys"][0]["revoked_ms"] > 0
    assert homa(bare_cell, "keys", "revoke", "nobody").returncode == 2
    assert homa(bare_cell, "keys", "create").returncode == 2


def test_with_keys_nobody_is_answered_without_one(keyed: Cell) -> None:
    _, shown = make(keyed)
    eventually(lambda: post(f"{keyed.url}/v1/chat/completions", json.dumps(ASK)).status_code == 401)
    for wrong in (f"{shown}x", shown[:-1] + ("A" if shown[-1] != "A" else "B"), "sk-any"):
        with pytest.raises(openai.AuthenticationError) as refused:
            keyed.openai(wrong).models.list()
        assert wrong not in str(refused.value)
    raw_reply = keyed.openai(shown).chat.completions.with_raw_response.create(**ASK)
    job = keyed.openai(shown).get(f"/jobs/{raw_reply.headers['x-homa-job']}", cast_to=dict[str, Any])
    assert job["tenant"] == "acme"


def test_a_revoked_key_opens_nothing_within_a_second(keyed: Cell) -> None:
    key_id, shown = make(keyed)
    client = keyed.openai(shown)
    client.models.list()
    keyed.store.run(revoke_key(keyed.store.keys, key_id, 1))
    time.sleep(1)
    with pytest.raises(openai.AuthenticationError):
        client.models.list()
    # With its last key gone the fleet is not open again.
    assert httpx2.get(f"{keyed.url}/v1/models").status_code == 401


def test_a_tenant_never_sees_the_jobs_of_another(keyed: Cell) -> None:
    _, acme = make(keyed)
    _, other = make(keyed, tenant="other")
    _, viewer = make(keyed, Role.VIEWER, "")
    headers = {"idempotency-key": "same"}
    first = keyed.openai(acme).chat.completions.with_raw_response.create(**ASK, extra_headers=headers)
    second = keyed.openai(other).chat.completions.with_raw_response.create(**ASK, extra_headers=headers)
    job = first.headers["x-homa-job"]
    assert job != second.headers["x-homa-job"]
    for path, method in (
        (f"/v1/jobs/{job}", "GET"),
        (f"/v1/jobs/{job}/events", "GET"),
        (f"/v1/jobs/{job}/cancel", "POST"),
    ):
        asked = httpx2.request(method, keyed.url + path, headers={"authorization": f"Bearer {other}"}, timeout=45)
        unknown = httpx2.request(
            method, keyed.url + path.replace(job, "j0"), headers={"authorization": f"Bearer {other}"}, timeout=45
        )
        assert asked.status_code == unknown.status_code == 404
        assert asked.json()["error"]["message"].replace(job, "j0") == unknown.json()["error"]["message"]
    assert keyed.openai(viewer).get(f"/jobs/{job}", cast_to=dict[str, Any])["tenant"] == "acme"


def test_a_viewer_may_look_and_not_change(keyed: Cell) -> None:
    _, viewer = make(keyed, Role.VIEWER, "")
    keyed.openai(viewer).models.list()
    with pytest.raises(openai.PermissionDeniedError):
        keyed.openai(viewer).chat.completions.create(**ASK)
    with pytest.raises(openai.PermissionDeniedError):
        keyed.openai(viewer).post("/jobs/j0/cancel", cast_to=dict[str, Any])


def test_a_key_may_be_for_some_models_alone(keyed: Cell) -> None:
    _, shown = make(keyed, models=("claude", "anthropic:*"))
    client = keyed.openai(shown)
    assert {model.id for model in client.models.list()} == {"claude", CLAUDE}
    with pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(**ASK)
    with pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(**{**ASK, "model": "claude"}, extra_headers={"x-homa-fallbacks": MODEL})
    assert client.chat.completions.create(**{**ASK, "model": "claude"}).choices


def test_a_tenant_cannot_speak_for_another_by_any_way(keyed: Cell) -> None:
    _, shown = make(keyed)
    headers = {**JSON, "authorization": f"Bearer {shown}"}
    for body in ({**ASK, "tenant": "other"}, {**ASK, "provider_options": {"tenant": "other"}}):
        for path in ("/v1/jobs", "/v1/chat/completions"):
            assert post(keyed.url + path, json.dumps(body), headers).status_code in (400, 403)


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "localhost.evil.example:80"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_without_keys_a_page_of_another_site_is_refused(cell: Cell, headers: dict[str, str]) -> None:
    response = post(f"{cell.url}/v1/chat/completions", json.dumps(ASK), {**JSON, **headers})
    assert response.status_code == 403
    assert told(response)["code"] in ("foreign_host", "foreign_origin")


def test_without_keys_what_a_proxy_claims_is_not_heeded(cell: Cell) -> None:
    headers = {**JSON, "x-forwarded-for": "10.0.0.1", "x-forwarded-host": "evil.example", "forwarded": "for=10.0.0.1"}
    assert post(f"{cell.url}/v1/chat/completions", json.dumps(ASK), headers).status_code == 200


def test_without_keys_no_or_two_hosts_are_refused(cell: Cell) -> None:
    answer = raw(cell.url, b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ")[1] in (b"400", b"403")


def test_a_gateway_that_others_reach_does_not_start_without_keys(bare_cell: Cell) -> None:
    refused = homa(bare_cell, "gateway", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 2
    assert "homa keys create" in refused.stderr
    make(bare_cell)
    bare_cell.start_gateway("--host", "0.0.0.0")
    port = bare_cell.url.rpartition(":")[2]
    assert httpx2.get(f"http://127.0.0.1:{port}/v1/models").status_code == 401


@pytest.mark.parametrize("wait", ["nan", "-1", "0", "inf", "soon"])
def test_a_gateway_does_not_start_with_a_wait_that_is_no_time(bare_cell: Cell, wait: str) -> None:
    refused = homa(bare_cell, "gateway", "--port", "0", "--wait", wait)
    assert refused.returncode == 2
    assert "--wait" in refused.stderr


def test_a_key_is_told_from_any_other_text(bare_cell: Cell) -> None:
    key, shown = new_key(Role.TENANT, "acme", (), "")
    bare_cell.store.run(put_key(bare_cell.store.keys, key))
    found = bare_cell.store.run(find_key(bare_cell.store.keys, key.id))
    assert found.key == key
    assert found.key is not None
    assert found.key.opens(shown.split("_", 2)[2])
    assert not found.key.opens("")
    assert [row.id for row in bare_cell.store.run(all_keys(bare_cell.store.keys))] == [key.id]
