"""Compose file, units of systemd and image: valid by those who read them, and safe."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader

from homa_shared.kinds.registry import builtin_kinds, profile_of
from tests.kubernetes.manifests import K8S, ROOT, program

COMPOSE, UNITS = K8S / "compose", sorted((K8S / "systemd").glob("*.service"))


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
    return found


def judged(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_compose_file_is_valid_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    done = judged(COMPOSE / "compose.yaml")
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((COMPOSE / "compose.yaml").read_text().replace("cap_drop:", "cap_dropped:"))
    assert judged(wrong).returncode != 0


def test_files_that_the_compose_file_mounts_are_there() -> None:
    volumes = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["volumes"]
    sources = [mount.partition(":")[0] for service in services().values() for mount in service.get("volumes", ())]
    assert len(sources) > 8
    for source in sources:
        assert source in volumes or (COMPOSE / source).exists(), source


def test_services_of_ours_have_no_rights_that_they_do_not_need() -> None:
    ours = {name: one for name, one in services().items() if name in ("apply", "worker", "gateway", "metrics")}
    assert len(ours) == 4
    for one in ours.values():
        assert one["read_only"]
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
    assert [name for name, one in services().items() if "env_file" in one] == ["worker"]


def test_the_gateway_can_keep_files() -> None:
    gateway = services()["gateway"]
    home = gateway["environment"]["HOMA_HOME"]
    assert f"files:{home}" in gateway["volumes"]
    image = (ROOT / "Dockerfile").read_text()
    assert f"WORKDIR {home}\n" in image
    assert "useradd --create-home --uid 10001 homa" in image


def test_ports_are_those_of_this_machine_alone() -> None:
    ports = [port for one in services().values() for port in one.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_images_of_others_are_pinned() -> None:
    images = [one["image"] for one in services().values() if not one["image"].startswith("${HOMA_IMAGE")]
    assert len(images) == 3
    assert all(image.rpartition(":")[2].lstrip("v")[0].isdigit() and image.count(".") >= 2 for image in images)


def test_commands_of_ours_are_commands() -> None:
    from homa.cli import SUMMARIES

    for name in ("apply", "worker", "gateway", "metrics"):
        assert services()[name]["command"][0] in SUMMARIES


def test_variables_of_keys_are_those_that_make_an_account() -> None:
    lines = [line for line in (COMPOSE / "example.env").read_text().splitlines() if "=" in line]
    known = {
        name
        for kind in builtin_kinds()
        for variable in profile_of(kind).connection.variables
        for name in variable.names
        if variable.makes_account
    }
    assert {line.partition("=")[0] for line in lines} <= known


def test_alerts_are_those_of_the_cluster() -> None:
    theirs = yaml.safe_load((K8S / "monitoring" / "alerts.yaml").read_text())["spec"]
    assert yaml.safe_load((COMPOSE / "alerts.yaml").read_text()) == theirs


def test_prometheus_takes_its_files() -> None:
    promtool = program("promtool", "prometheus")
    for arguments in (
        ("check", "config", "--syntax-only", str(COMPOSE / "prometheus.yaml")),
        ("check", "rules", str(COMPOSE / "alerts.yaml")),
    ):
        done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    analyze = program("systemd-analyze", "systemd")
    binary = tmp_path / "homa"
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    # An instance of a template is verified by the name of the instance.
    here = tmp_path / unit.name.replace("@", "@openai")
    here.write_text(unit.read_text().replace("/opt/homa/bin/homa", str(binary)))
    done = subprocess.run(
        [analyze, "verify", "--recursive-errors=no", str(here)], capture_output=True, text=True, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if unit.stem.partition("@")[0] in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_drains_and_may_not_do_what_it_does_not_need(unit: Path) -> None:
    lines = set(unit.read_text().splitlines())
    assert {"KillSignal=SIGTERM", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="} <= lines
    assert {"DynamicUser=yes", "RestartPreventExitStatus=2"} <= lines
    # A folder that units with users of their own share would change its owner at each start.
    assert {"StateDirectory=%N", "Environment=HOMA_HOME=%S/%N"} <= lines
    (start,) = [line for line in lines if line.startswith("ExecStart=")]
    from homa.cli import SUMMARIES

    assert shlex.split(start.partition("=")[2])[1] in SUMMARIES


def test_the_image_runs_as_nobody_drains_and_tells_how_it_is() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    last = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM ")) :]
    assert any(line.startswith("USER 10001") for line in last)
    assert any(line.startswith("HEALTHCHECK ") for line in last)
    assert 'ENTRYPOINT ["homa"]' in last
    assert sum(line.startswith("FROM ") for line in lines) == 2


def test_the_steps_of_the_image_are_those_that_are_rehearsed() -> None:
    spec = spec_from_file_location("rehearse_image", ROOT / "tools" / "rehearse_image.py")
    assert spec is not None
    assert spec.loader is not None
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    found = list(tool.steps((ROOT / "Dockerfile").read_text()))
    assert [instruction for instruction, _ in found].count("RUN") == 4
    assert {instruction for instruction, _ in found} <= {"FROM", "WORKDIR", "ENV", "RUN", "COPY"}
    assert all("useradd" not in rest for _, rest in found), "steps of another stage"


def test_the_image_keeps_what_bedrock_reads_of_aws(tmp_path: Path) -> None:
    kept = re.findall(r"! -name (\S+)", (ROOT / "Dockerfile").read_text())
    data = Path(botocore.__file__).parent / "data"
    for name in kept:
        shutil.copytree(data / name, tmp_path / name)
    for file in data.glob("*.json*"):
        shutil.copy(file, tmp_path / file.name)
    session = botocore.session.Session()
    session.register_component("data_loader", Loader([str(tmp_path)], include_default_search_paths=False))
    for name in ("bedrock-runtime", "sts", "sso", "sso-oidc"):
        client = session.create_client(name, "us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
        assert client.meta.service_model.service_name == name
    with pytest.raises(UnknownServiceError):
        session.create_client("s3", "us-east-1")
