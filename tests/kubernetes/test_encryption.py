"""Keys of encryption reach each process that writes or reads content, as a file that follows its Secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from homa_shared.encryption.cipher import Cipher
from homa_shared.encryption.keyring import EncryptionKey
from homa_shared.model.errors import ConfigError
from homa_shared.settings.encryption import keyring_of
from homa_shared.settings.model import load_settings
from tests.fixtures.secret_volume import SecretVolume
from tests.kubernetes.manifests import ENCRYPTED, K8S, OVERLAYS, Manifest, Rendered, rendered

VARIABLE = "HOMA_ENCRYPTION_KEYS_FILE"
OLD, NEW = EncryptionKey("old", b"o" * 32), EncryptionKey("new", b"n" * 32)


@pytest.fixture(params=ENCRYPTED)
def fleet(request: pytest.FixtureRequest) -> Rendered:
    return rendered(request.param)


def _files(pod: Manifest) -> dict[str, dict[str, Any]]:
    """Files that a pod's first container has of Secrets: path -> volume."""
    spec = pod["spec"]
    volumes = {volume["name"]: volume["secret"] for volume in spec["volumes"] if "secret" in volume}
    mounts = [mount for mount in spec["containers"][0]["volumeMounts"] if mount["name"] in volumes]
    # The kubelet never updates what is mounted by a subPath.
    assert not any({"subPath", "subPathExpr"} & mount.keys() for mount in mounts)
    assert all(mount["readOnly"] for mount in mounts)
    return {
        f"{mount['mountPath']}/{item['path']}": volumes[mount["name"]]
        for mount in mounts
        for item in volumes[mount["name"]]["items"]
    }


def _variables(pod: Manifest) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in pod["spec"]["containers"][0]["env"]}


def test_whoever_reads_or_writes_content_has_the_file_that_it_is_told_of(fleet: Rendered) -> None:
    pods = dict(fleet.pods())
    keyless = {"metrics", *(["homa-store"] if fleet.overlay == "dev" else [])}
    assert keyless < pods.keys()
    for name, pod in pods.items():
        if name in keyless:
            assert "HOMA_ENCRYPTION" not in yaml.safe_dump(pod), name
            continue
        path = _variables(pod)[VARIABLE]
        assert _files(pod)[path]["secretName"] == "homa-encryption", name
        assert load_settings(env={VARIABLE: path}).encryption_keys_file == Path(path)


def test_the_file_is_for_the_processes_group_alone(fleet: Rendered) -> None:
    for name, pod in fleet.pods():
        for volume in _files(pod).values():
            assert volume["defaultMode"] == 0o440, name
            assert pod["spec"]["securityContext"]["fsGroup"] == 10001, name
            # A pod that was told of keys and has none must not start.
            assert not volume.get("optional"), name


def test_the_secret_has_the_name_that_the_external_one_makes() -> None:
    fleet = rendered("production, encrypted")
    secret = fleet.one("ExternalSecret", "homa-encryption")["spec"]
    [item] = {volume["items"][0]["key"] for _, pod in fleet.pods() for volume in _files(pod).values()}
    assert [row["secretKey"] for row in secret["data"]] == [item]
    assert secret["target"]["deletionPolicy"] == "Retain"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlays_have_no_keys_unless_they_name_the_component(overlay: str) -> None:
    assert VARIABLE not in yaml.safe_dump_all(rendered(overlay).manifests)


def test_the_production_overlay_shows_the_components_that_it_may_take() -> None:
    folder = K8S / "overlays" / "production"
    text = (folder / "kustomization.yaml").read_text()
    assert "components" not in yaml.safe_load(text)
    _, _, behind = text.partition("\n#components:\n")
    shown = [line.removeprefix("#  - ") for line in behind.splitlines() if line.startswith("#  - ")]
    assert [(folder / one).resolve() for one in shown] == [K8S / "encryption", K8S / "encryption" / "external-secret"]


def test_a_changed_secret_is_read_while_the_pod_runs(tmp_path: Path) -> None:
    volume = SecretVolume(tmp_path)
    volume.write(OLD.written())
    ring = keyring_of(load_settings(env={VARIABLE: str(volume.path)}))
    assert ring is not None
    cipher = Cipher(ring, "homa")
    before = cipher.seal(b"content", "p")
    for text in (f"{OLD.written()}\n{NEW.written()}\n", f"{NEW.written()}\n{OLD.written()}\n"):
        volume.write(text)
        ring._looked_s = 0
        assert cipher.open(before, "p") == b"content"
    assert cipher.seal(b"content", "p").startswith(b"new.")


def test_a_secret_without_keys_stops_the_pod_by_name(tmp_path: Path) -> None:
    volume = SecretVolume(tmp_path)
    volume.write("\n")
    with pytest.raises(ConfigError, match=rf"{volume.path}.*as `homa config new-encryption-key` prints it"):
        keyring_of(load_settings(env={VARIABLE: str(volume.path)}))
