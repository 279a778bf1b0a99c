"""Config, apply, store, doctor: what a fleet is set up with, and whether work would be lost."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from homa import Homa
from homa.client.management.why import lack_of
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.model import load_settings
from homa_shared.settings.sections import ModelAlias
from homa_shared.store.embedded import EmbeddedStore
from homa_shared.store.transitions.fleet import read_fleet
from tests.commands_b.stand import Stand


def checks(stand: Stand, *options: str, status: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Doctor's checks by name."""
    said = stand.said("doctor", "--json", *options)
    assert said.status == status, said.stderr
    assert said.json["ok"] is (status == 0)
    found: dict[str, list[dict[str, Any]]] = {}
    for check in said.json["checks"]:
        found.setdefault(check["check"], []).append(check)
    return found


def test_config_shows_values_with_their_origin_and_no_secret(stand: Stand) -> None:
    rows = {row["name"]: row for row in stand.json("config", "show")["settings"]}
    assert rows["namespace"] == {"name": "namespace", "value": stand.settings.namespace, "origin": "HOMA_NAMESPACE"}
    assert rows["providers.openai.api_key"]["value"] == "********"
    assert "homa.toml:3" in rows["providers.openai.api_key"]["origin"]
    said = stand.said("config", "show")
    assert "not-a-key" not in said.stdout
    assert "SETTING" in said.stdout


def test_a_misspelt_variable_is_warned_of(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMA_NAMSPACE", "x")
    for command in (["config", "show"], ["store", "status"]):
        assert "HOMA_NAMSPACE" in stand.said(*command).stderr
    assert checks(stand)["settings"][1]["level"] == "warning"


def test_a_wrong_setting_ends_with_status_2(stand: Stand) -> None:
    (stand.home / "homa.toml").write_text("lease_s = 'soon'")
    for command in (["config", "show"], ["doctor"], ["apply"], ["queues"]):
        said = stand.said(*command)
        assert (said.status, said.stdout) == (2, "")
        assert "lease_s = 'soon'" in said.stderr


def test_apply_tells_writes_and_then_finds_nothing_to_change(stand: Stand) -> None:
    looked = stand.json("apply", "--diff")
    assert (looked["applied"], looked["version"]) == (False, 0)
    assert {change["name"] for change in looked["changes"]} >= {"providers.openai", "budgets.month"}
    assert stand.store.run(read_fleet(stand.store.keys)) is None
    written = stand.json("apply")
    assert (written["applied"], written["version"]) == (True, 1)
    assert written["changes"] == looked["changes"]
    fleet = stand.store.run(read_fleet(stand.store.keys))
    assert fleet is not None
    assert "not-a-key" not in fleet.to_json()
    assert stand.json("apply") == {
        "version": 1,
        "applied": False,
        "changes": [],
        "templates": [],
        "schedules": [],
        "stranded": [],
    }
    assert "nothing to change" in stand.said("apply").stderr


def test_a_changed_limit_is_shown_in_words_and_applied(stand: Stand) -> None:
    stand.said("apply")
    path = stand.home / "homa.toml"
    path.write_text(path.read_text().replace("60000", "30000"))
    said = stand.said("apply", "--diff")
    assert said.stdout == "providers.openai.limits.rpm changes from 60000 to 30000\n"
    assert "1 changes against version 1; `homa apply` writes them" in said.stderr
    assert "homa" in stand.said("apply").stderr
    assert stand.json("apply")["version"] == 2


def test_a_machine_without_providers_does_not_take_away_the_fleets(stand: Stand) -> None:
    stand.said("apply")
    (stand.home / "homa.toml").write_text("")
    said = stand.said("apply")
    assert said.status == 2
    assert "the fleet has anthropic, openai: applying would remove them" in said.stderr


def with_pool(stand: Stand) -> str:
    """A job in a pool's queue, and settings without that pool; returns the job."""
    path = stand.home / "homa.toml"
    before = path.read_text()
    path.write_text(f'{before}[models.fast]\npool = ["openai:gpt-6-luna", "anthropic:claude-haiku-5-5"]\n')
    assert stand.said("apply").status == 0
    with Homa(settings=load_settings()) as homa:
        job = homa.submit("Hi", model="fast", max_tokens=100).id
    path.write_text(before)
    return job


def test_a_pool_that_jobs_wait_for_is_not_taken_away(stand: Stand) -> None:
    job = with_pool(stand)
    looked = stand.said("apply", "--diff")
    assert "1 jobs in the queue pool-fast, and there is no pool 'fast': nobody will take them" in looked.stderr
    refused = stand.said("apply")
    assert refused.status == 2
    assert "these settings would leave jobs behind: 1 jobs in the queue pool-fast" in refused.stderr
    assert "no pool" not in stand.said("jobs", "why", job).stdout
    assert stand.said("jobs", "cancel", "--queue", "pool-fast").status == 0
    assert stand.json("apply")["stranded"] == []


def test_jobs_whose_pool_is_gone_are_told_of(stand: Stand) -> None:
    job = with_pool(stand)
    assert stand.json("apply", "--force")["stranded"] == [{"queue": "pool-fast", "jobs": 1}]
    said = stand.said("jobs", "why", job).stdout
    assert "the fleet's settings have no pool 'fast', so that nobody takes it: put it back in homa.toml" in said
    assert stand.json("jobs", "why", job)["holds"][0]["kind"] == "settings"
    (found,) = checks(stand)["queue pool-fast"]
    assert (found["level"], found["value"]) == ("warning", "1 jobs, and no pool 'fast' in the settings")
    assert "homa jobs cancel --queue pool-fast" in found["what_to_do"]
    stand.said("jobs", "cancel", job)
    assert "no pool" not in stand.said("jobs", "why", job).stdout


def test_a_provider_that_jobs_wait_for_is_not_taken_away(stand: Stand) -> None:
    stand.said("apply")
    job = stand.queued()
    path = stand.home / "homa.toml"
    path.write_text('[providers.anthropic]\nbase_url = "http://127.0.0.1:9"\n')
    assert "1 jobs in the queue openai, and there is no provider 'openai'" in stand.said("apply").stderr
    stand.said("apply", "--force")
    assert "the fleet's settings have no provider 'openai'" in stand.said("jobs", "why", job).stdout


def test_a_pool_that_leads_nowhere_is_as_good_as_none() -> None:
    both = ModelAlias(pool=("openai:a", "openai:b"))
    fleet = Fleet(providers={"openai": FleetProvider(kind="openai")}, models={"fast": both})
    found = lack_of(fleet, "pool-fast")
    assert found is not None
    assert "two targets of one provider" in found


def test_writers_that_never_let_one_through_are_given_up_on(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    from homa.cli import apply

    monkeypatch.setattr(apply, "write_fleet", lambda keys, fleet, seen: read_fleet(keys))
    said = stand.said("apply")
    assert said.status == 3
    assert "gave up after 5 tries" in said.stderr


def test_the_embedded_store_is_shown_stopped_saved_and_brought_back(
    stand: Stand, embedded: EmbeddedStore, tmp_path: Path
) -> None:
    assert stand.json("store", "status")["running"] is False
    assert "does not run" in stand.said("store", "status").stdout
    embedded.ensure()
    status = stand.json("store", "status")
    assert (status["embedded"], status["running"], status["directory"]) == (True, True, str(embedded.directory))
    assert "valkey" in stand.said("store", "status").stdout
    stand.said("apply")
    copy = tmp_path / "copy.rdb"
    assert stand.json("store", "backup", str(copy))["bytes"] == copy.stat().st_size
    assert stand.said("store", "backup", str(copy)).status == 2
    assert stand.json("store", "stop") == {"stopped": True}
    assert stand.said("store", "stop").stdout.endswith("did not run\n")
    # It stopped with data in it: whoever only looks starts it again.
    assert stand.json("apply")["version"] == 1
    assert f"restored {copy}; what was there is in" in stand.said("store", "restore", str(copy)).stdout
    assert stand.json("apply")["version"] == 1
    assert stand.said("store", "restore", str(tmp_path / "none.rdb")).status == 2


def test_another_store_is_shown_but_not_stopped(stand: Stand, tmp_path: Path) -> None:
    found = stand.json("store", "status")
    assert (found["embedded"], found["running"], found["maxmemory_policy"]) == (False, True, "noeviction")
    assert "noeviction" in stand.said("store", "status").stdout
    for arguments in (["stop"], ["backup", str(tmp_path / "x")], ["restore", str(tmp_path / "x")]):
        said = stand.said("store", *arguments)
        assert said.status == 2
        assert "redis_url is set (HOMA_REDIS_URL)" in said.stderr


def test_doctor_looks_at_settings_keys_reach_and_store(stand: Stand) -> None:
    found = checks(stand)
    assert found["settings"][0]["value"].endswith("homa.toml")
    assert found["key of openai"][0]["value"] == "present"
    assert found["key of anthropic"][0] == {
        "level": "warning",
        "check": "key of anthropic",
        "value": "missing",
        "what_to_do": "set HOMA_PROVIDERS__ANTHROPIC__API_KEY, or run its workers elsewhere",
    }
    assert found["reach of openai"][0]["level"] == "warning"
    assert found["server"][0]["level"] == "ok"
    assert found["maxmemory-policy"][0]["value"] == "noeviction"
    assert found["clock"][0]["level"] == "ok"
    assert found["fleet settings"][0]["value"].startswith("none yet")


def test_doctor_reaches_a_server_that_listens(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HOMA_PROVIDERS__OPENAI__BASE_URL", f"http://127.0.0.1:{server.getsockname()[1]}/v1")
        assert checks(stand)["reach of openai"][0]["level"] == "ok"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://127.0.0.1:99999/v1", "Port out of range"),
        ("http://me:hunter2@[::1/v1", "Invalid IPv6"),
        ("http://.example.com/v1", "not a valid host name"),
    ],
)
def test_doctor_names_an_address_that_is_none(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, address: str, told: str
) -> None:
    monkeypatch.setenv("HOMA_PROVIDERS__OPENAI__BASE_URL", address)
    said = stand.said("doctor")
    assert told in said.stdout + said.stderr
    assert "hunter2" not in said.stdout + said.stderr


def test_doctor_warns_of_drift(stand: Stand) -> None:
    stand.said("apply")
    assert checks(stand)["fleet settings"][0]["value"] == "version 1"
    path = stand.home / "homa.toml"
    path.write_text(path.read_text().replace("60000", "30000"))
    drift = checks(stand)["fleet settings"][0]
    assert drift["level"] == "warning"
    assert "providers.openai.limits.rpm changes from 60000 to 30000" in drift["value"]


def test_doctor_warns_of_queues_that_nobody_serves_or_that_are_paused(stand: Stand) -> None:
    stand.queued()
    queue = checks(stand)["queue openai"][0]
    assert (queue["level"], queue["value"]) == ("warning", "1 jobs, 0 live workers")
    stand.beat()
    assert checks(stand)["queue openai"][0]["level"] == "ok"
    stand.said("queues", "pause", "openai")
    assert "`homa queues resume openai`" in checks(stand)["queue openai"][0]["what_to_do"]


def test_doctor_counts_attempts_of_unknown_cost(stand: Stand) -> None:
    stand.failed(unresolved=True)
    assert checks(stand)["unresolved costs"][0]["value"] == "attempts: 1"


def test_a_deep_look_proves_the_books(stand: Stand) -> None:
    job = stand.queued()
    stand.running()
    assert checks(stand, "--deep")["books"][0]["level"] == "ok"
    stand.redis("HSET", stand.store.keys.job(job), "st", "due")
    found = checks(stand, "--deep", status=1)["books"]
    assert {check["level"] for check in found} == {"error"}
    assert any(job in check["value"] for check in found)


def test_doctor_fails_where_the_store_would_drop_jobs(
    stand: Stand, fresh_store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    import redis

    url = fresh_store.ensure()
    client = redis.Redis.from_url(url)
    monkeypatch.setenv("HOMA_REDIS_URL", url)
    client.config_set("maxmemory-policy", "allkeys-lru")
    found = checks(stand, status=1)["maxmemory-policy"][0]
    assert (found["level"], found["value"]) == ("error", "allkeys-lru")
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("appendonly", "no")
    assert checks(stand, status=1)["appendonly"][0]["level"] == "error"
    client.close()
    said = stand.said("doctor")
    assert said.status == 1
    assert "ERROR" in said.stdout
    assert "1 errors" in said.stderr


def test_doctor_reports_a_store_that_is_away(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMA_REDIS_URL", "redis://127.0.0.1:1/0")
    assert checks(stand, status=1)["store"][-1]["value"] == "unavailable"


def test_an_embedded_store_that_rests_has_lost_nothing(stand: Stand, embedded: EmbeddedStore) -> None:
    assert checks(stand)["store"][0]["level"] == "warning"


def test_doctor_knows_every_kinds_place_and_key(stand: Stand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from homa.cli.doctor import checks as checkup

    asked: list[tuple[str, int]] = []
    monkeypatch.setattr(checkup, "_connect", lambda place: asked.append(place))
    (stand.home / "homa.toml").write_text(
        f"""
        [providers.openai]
        api_key_file = "{tmp_path / "none"}"
        [providers.bedrock]
        region = "eu-central-1"
        [providers.ollama]
        base_url = "http://gpu"
        [providers.local]
        kind = "bedrock"
        """
    )
    found = checks(stand)
    assert found["key of openai"][0]["value"] == "unreadable"
    assert found["key of bedrock"][0]["value"] == "none needed (bedrock)"
    assert asked == [("bedrock-runtime.eu-central-1.amazonaws.com", 443), ("gpu", 80), ("api.openai.com", 443)]
    (stand.home / "homa.toml").write_text("")
    assert "enough to submit jobs" in checks(stand)["providers"][0]["value"]


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("HOMA_PROVIDERS__OPENAI__API_KEY", "sk-1 2", "the key of provider 'openai' holds a blank"),
        ("ALL_PROXY", "socks5://127.0.0.1:1", "ALL_PROXY names a proxy of kind socks5://"),
    ],
)
def test_doctor_tells_what_no_call_could_be_sent_with(
    stand: Stand, variable: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    key = next(one for one in checks(stand)["key of openai"] if one["level"] == "warning")
    assert key["value"] == "its calls cannot be sent"
    assert told in key["what_to_do"]


def test_doctor_knows_the_rights_of_its_user(stand: Stand) -> None:
    assert checks(stand)["rights"][0]["level"] == "ok"
