"""`homa doctor` tells what stands open."""

from __future__ import annotations

from pathlib import Path

import pytest

from homa.cli.doctor.exposure_checks import file_exposure, store_exposure
from homa_shared.settings.model import load_settings
from homa_shared.store.address import StoreAddress
from homa_shared.store.safety_checks import Level
from tests.commands_b.stand import Stand


def warned(url: str) -> list[tuple[str, str]]:
    found = store_exposure(StoreAddress.parse(url))
    return [(check.name, check.value) for check in found if check.level is Level.WARNING]


OPEN = ("transport", "not encrypted")
NOBODY = ("access to the store", "neither a user nor a password is sent")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("unix:///run/store.sock", []),
        ("redis://127.0.0.1", []),
        ("redis://localhost:6380/1", []),
        ("redis://store.example", [OPEN, NOBODY]),
        ("redis://homa:secret@store.example", [OPEN]),
        ("rediss://homa:secret@store.example", []),
        ("rediss://store.example?ssl_certfile=/c&ssl_keyfile=/k", []),
        ("rediss://store.example", [NOBODY]),
        (
            "rediss://a:b@store.example?ssl_cert_reqs=none",
            [("transport", "TLS, and the store's certificate is not checked")],
        ),
        ("redis+sentinel://a:b@one.example,two.example/main", [OPEN]),
    ],
)
def test_a_store_on_the_network_wants_tls_and_a_user(url: str, expected: list[tuple[str, str]]) -> None:
    assert warned(url) == expected


@pytest.mark.parametrize(("mode", "told"), [(0o600, 0), (0o640, 0), (0o644, 1), (0o606, 1)])
def test_a_key_file_that_everybody_may_read_is_told(tmp_path: Path, mode: int, told: int) -> None:
    key = tmp_path / "key"
    key.write_text("sk-test")
    key.chmod(mode)
    settings = load_settings(env={"HOMA_PROVIDERS__OPENAI__API_KEY_FILE": str(key)}, cwd=tmp_path)
    found = list(file_exposure(settings, None))
    assert len(found) == told
    assert all(str(key) in check.what_to_do and "chmod 600" in check.what_to_do for check in found)


def test_so_is_a_settings_file_with_a_key_and_a_tls_key(tmp_path: Path) -> None:
    config, key = tmp_path / "homa.toml", tmp_path / "tls.key"
    config.write_text('[providers.openai]\napi_key = "sk-test"\n')
    key.write_text("-")
    for path in (config, key):
        path.chmod(0o644)
    address = StoreAddress.parse(f"rediss://store?ssl_certfile=/c&ssl_keyfile={key}")
    found = list(file_exposure(load_settings(env={}, cwd=tmp_path), address))
    assert [check.name for check in found] == ["TLS key", "settings file with a key"]
    config.write_text('[providers.openai]\napi_key_file = "key"\n')
    assert [check.name for check in file_exposure(load_settings(env={}, cwd=tmp_path), None)] == []


def test_doctor_says_how_the_store_is_reached(stand: Stand) -> None:
    checks = {check["check"]: check["value"] for check in stand.said("doctor", "--json").json["checks"]}
    assert checks["transport"] == "this machine alone"
