"""What commands say of keys of encryption: a new one, a wrong one, one that others have and that is missing here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from homa import Homa
from homa_shared.encryption.keyring import EncryptionKey, Keyring, parse_keys
from homa_shared.settings.model import load_settings
from homa_shared.store.transitions.attempts import renew
from tests.commands_b.stand import MODEL, Stand

OLD, NEW = EncryptionKey("old", b"o" * 32), EncryptionKey("new", b"n" * 32)


def give(monkeypatch: pytest.MonkeyPatch, *keys: EncryptionKey) -> None:
    monkeypatch.setenv("HOMA_ENCRYPTION_KEYS", " ".join(key.written() for key in keys))


def worker_with(stand: Stand, worker: str, *keys: EncryptionKey) -> None:
    """A worker that beats, and tells of its keys as workers do."""
    facts: dict[str, Any] = {"provider": "openai", "queues": ["openai"]}
    facts |= {"encryption": Keyring(keys).checks} if keys else {}
    stand.store.run(renew(stand.store.keys, worker=worker, lease_ms=30_000, facts=facts, attempts=()))


def doctor(stand: Stand) -> dict[str, tuple[str, str]]:
    """What doctor says of encryption: check -> level and words."""
    found = stand.said("doctor", "--json").json["checks"]
    return {c["check"]: (c["level"], c["value"]) for c in found if c["check"].startswith("encryption")}


def test_a_new_key_is_one_and_another_each_time(stand: Stand) -> None:
    said = [stand.said("config", "new-encryption-key") for _ in range(2)]
    keys = [parse_keys(each.stdout, "stdout")[0] for each in said]
    assert keys[0].secret != keys[1].secret
    assert "put it in front" in said[0].stderr


def test_settings_mask_keys_and_a_wrong_one_is_told_without_it(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, NEW)
    assert NEW.written().partition(":")[2] not in stand.said("config", "show").stdout
    monkeypatch.setenv("HOMA_ENCRYPTION_KEYS", "new:c2VjcmV0")
    said = stand.said("jobs", "list")
    assert said.status == 2
    assert "encryption_keys (HOMA_ENCRYPTION_KEYS): key 1 (new) has 6 bytes" in said.stderr
    assert "c2VjcmV0" not in said.stderr


def test_a_file_that_cannot_be_read_is_named(stand: Stand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOMA_ENCRYPTION_KEYS_FILE", str(tmp_path / "none"))
    assert f"the file {tmp_path / 'none'}, cannot be read (No such file" in stand.said("jobs", "list").stderr
    give(monkeypatch, NEW)
    assert "are both set: expected one of them" in stand.said("jobs", "list").stderr


def test_a_job_that_is_sealed_is_shown_with_the_key_that_it_wants(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch, NEW)
    with Homa(settings=load_settings()) as homa:
        job = homa.submit("Say hello.", model=MODEL, max_tokens=10, metadata={"n": 1})
    assert stand.json("jobs", "show", job.id)["request"]["messages"][0]["content"] == "Say hello."
    give(monkeypatch, OLD)
    said = stand.said("jobs", "show", job.id)
    assert said.status == 0
    assert "is sealed by the key 'new', which is not here: add it to HOMA_ENCRYPTION_KEYS" in said.stderr
    assert job.id in said.stdout


def test_doctor_says_whether_it_is_on_and_required(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor(stand)["encryption"] == ("ok", "off: what the store keeps can be read by whoever reads the store")
    give(monkeypatch, NEW, OLD)
    level, told = doctor(stand)["encryption"]
    assert (level, told.partition(";")[0]) == ("warning", "sealed by new")
    assert "a process without keys still writes in clear" in told
    monkeypatch.setenv("HOMA_ENCRYPTION_REQUIRED", "true")
    assert stand.said("apply").status == 0
    assert doctor(stand)["encryption"] == ("ok", "sealed by new; opened by old, too")
    monkeypatch.delenv("HOMA_ENCRYPTION_KEYS")
    assert doctor(stand)["encryption"] == ("error", "required by the fleet, and no keys are here")
    refused = stand.said("apply")
    assert refused.status == 2
    assert "requires that payloads are encrypted: set HOMA_ENCRYPTION_KEYS" in refused.stderr
    asked = stand.said("ask", "hello", "--model", MODEL)
    assert asked.status == 2
    assert "requires that payloads are encrypted" in asked.stderr


def test_doctor_compares_keys_with_those_of_workers(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, NEW, OLD)
    for worker, keys in (("w-same", (NEW, OLD)), ("w-behind", (OLD,)), ("w-none", ())):
        worker_with(stand, worker, *keys)
    worker_with(stand, "w-ahead", EncryptionKey("newest", b"x" * 32), NEW, OLD)
    worker_with(stand, "w-other", EncryptionKey("new", b"y" * 32))
    found = {name.removeprefix("encryption: "): told for name, (_, told) in doctor(stand).items()}
    assert "w-same" not in found
    assert found["w-behind"] == "it lacks the key new, by which the other seals"
    assert found["w-none"] == "has no keys, and cannot do what others seal"
    assert found["w-ahead"] == "this machine lacks the key newest, by which the other seals"
    assert found["w-other"] == "has another key new than this machine"
