"""Secrets sign webhooks by endpoint, tenant or worker; two at once let a receiver change from one to the next."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from homa.cli.doctor.exposure_checks import file_exposure
from homa_shared.model.errors import ConfigError
from homa_shared.settings.delivery_section import signing_key
from homa_shared.settings.model import load_settings, origins
from homa_workers.deliveries.courier import Ways
from homa_workers.deliveries.signing import Signing
from homa_workers.deliveries.webhook import signed_headers
from tests.schedules.receivers import Receiver, web_receiver
from tests.schedules.stand import Stand
from tests.schedules.test_deliveries import OPEN, deliver, ran

OLD, NEW, ACME, HOOK = (bytes([n]) * 32 for n in range(1, 5))


def secret(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with web_receiver() as found:
        yield found


async def told(stand: Stand, receiver: Receiver, signing: Signing, tenant: str = "") -> dict[str, str]:
    """Headers of the webhook of a job."""
    stand.submit("j1", webhook=receiver.url, tenant=tenant)
    await stand.do_all()
    await stand.turn()
    assert await deliver(stand, replace(OPEN, signing=signing)) == 1
    ((headers, body),) = receiver.got
    for key in signing.keys(receiver.url, tenant):
        alone = signed_headers([key], headers["webhook-id"], int(headers["webhook-timestamp"]), body)
        assert alone["webhook-signature"] in headers["webhook-signature"].split(" ")
    return dict(headers)


async def test_both_secrets_sign_while_a_receiver_changes_from_one_to_the_other(
    stand: Stand, receiver: Receiver
) -> None:
    headers = await told(stand, receiver, Signing((NEW, OLD)))
    assert len(headers["webhook-signature"].split(" ")) == 2


async def test_a_tenants_own_secret_signs_in_the_place_of_the_workers(stand: Stand, receiver: Receiver) -> None:
    headers = await told(stand, receiver, Signing((OLD,), {"acme": (ACME,)}), "acme")
    assert len(headers["webhook-signature"].split(" ")) == 1


async def test_what_schedules_deliver_is_signed_for_their_tenant(stand: Stand, receiver: Receiver) -> None:
    await ran(stand, receiver.url, tenant="acme")
    await deliver(stand, replace(OPEN, signing=Signing((OLD,), {"acme": (ACME,)})))
    ((headers, body),) = receiver.got
    signed = signed_headers([ACME], headers["webhook-id"], int(headers["webhook-timestamp"]), body)
    assert headers["webhook-signature"] == signed["webhook-signature"]


async def test_nothing_is_signed_without_a_secret(stand: Stand, receiver: Receiver) -> None:
    assert "webhook-signature" not in await told(stand, receiver, Signing(tenants={"acme": (ACME,)}), "other")


@pytest.mark.parametrize(
    ("url", "keys"),
    [
        ("https://hooks.example.com/acme", (HOOK,)),
        ("HTTPS://Hooks.Example.com/acme", (HOOK,)),
        ("https://hooks.example.com/acme/deep?x=1", (HOOK,)),
        ("https://hooks.example.com/acme?x=1", (HOOK,)),
        ("https://hooks.example.com/acmecorp", (NEW,)),
        ("https://hooks.example.com:443/acme", (HOOK,)),
        ("https://hooks.example.com/%61cme", (HOOK,)),
        ("https://hooks.example.com/other/../acme", (HOOK,)),
        ("https://hooks.example.com/acme/../other", (NEW,)),
        ("https://hooks.example.com/acme/%2e%2e/other", (NEW,)),
        ("https://hooks.example.com", (NEW,)),
        ("https://hooks.example.com.evil.org/acme", (OLD,)),
        ("https://other.example.com/acme", (OLD,)),
    ],
)
def test_the_longest_beginning_of_a_url_counts_behind_a_tenants_own(url: str, keys: tuple[bytes, ...]) -> None:
    settings = load_settings(
        env={"HOMA_DELIVER_SECRET": secret(OLD)},
        overrides={
            "deliver_secrets": {
                "acme": secret(ACME),
                "https://hooks.example.com": secret(NEW),
                "https://hooks.example.com/acme": [secret(HOOK)],
            }
        },
    )
    signing = Ways.of(settings).signing
    assert signing.keys(url, "other") == keys
    assert signing.keys(url, "acme") == (ACME,)


def test_secrets_are_read_from_variables_and_files(tmp_path: Path) -> None:
    (tmp_path / "homa.toml").write_text(f'[deliver_secrets]\nAcme = ["{secret(NEW)}", "{secret(OLD)}"]\n')
    variables = {"HOMA_DELIVER_SECRET": f"{secret(NEW)},{secret(OLD)}"}
    signing = Ways.of(load_settings(env=variables, cwd=tmp_path)).signing
    assert signing.keys("https://a.example/", "Acme") == (NEW, OLD)
    assert signing.keys("https://a.example/", "") == (NEW, OLD)
    alone = Ways.of(load_settings(env={"HOMA_DELIVER_SECRET": secret(OLD)}, cwd=tmp_path)).signing
    assert alone.keys("https://a.example/", "") == (OLD,)
    assert signing_key(secret(OLD)) == OLD


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('deliver_secret = "whsec_c2hvcnQ="', "expected whsec_ and base64 of 24 to 64 random bytes"),
        ('deliver_secret = ["whsec_c2hvcnQ="]', "expected whsec_ and base64 of 24 to 64 random bytes"),
        ('[deliver_secrets]\nacme = "whsec_c2hvcnQ="', "expected whsec_ and base64 of 24 to 64 random bytes"),
        ("[deliver_secrets]\nacme = []", "deliver_secrets.acme"),
        (f"deliver_secret = {[secret(OLD)] * 5}".replace("'", '"'), "deliver_secret"),
        (f'[deliver_secrets]\n"ftp://a.example" = "{secret(OLD)}"', "expected a tenant, or the beginning of a URL"),
        (f'[deliver_secrets]\n"https://u:p@a.example" = "{secret(OLD)}"', "expected a tenant, or the beginning of"),
    ],
)
def test_a_bad_secret_is_named_and_never_shown(tmp_path: Path, written: str, said: str) -> None:
    (tmp_path / "homa.toml").write_text(written)
    with pytest.raises(ConfigError, match=said) as refused:
        load_settings(env={}, cwd=tmp_path)
    assert "c2hvcnQ" not in str(refused.value)
    assert secret(OLD) not in str(refused.value)


def test_settings_and_fleet_show_no_secret(tmp_path: Path) -> None:
    config = tmp_path / "homa.toml"
    config.write_text(
        f'deliver_secret = "{secret(OLD)}"\n[deliver_secrets]\nacme = ["{secret(NEW)}", "{secret(OLD)}"]\n'
    )
    settings = load_settings(env={}, cwd=tmp_path)
    shown = {row.name: row.value for row in origins(settings)}
    assert shown["deliver_secret"] == "********"
    assert shown["deliver_secrets.acme"] == "********, ********"
    assert secret(OLD) not in repr(settings) + settings.fleet().model_dump_json()


def test_doctor_knows_a_file_with_such_secrets(tmp_path: Path) -> None:
    config = tmp_path / "homa.toml"
    config.write_text(f'[deliver_secrets]\nacme = "{secret(NEW)}"\n')
    config.chmod(0o644)
    found = [check.name for check in file_exposure(load_settings(env={}, cwd=tmp_path), None)]
    assert found == ["settings file with a key"]
