"""The Helm chart is what kustomize makes: the same objects from the same settings, and no others."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import orjson
import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

from tests.kubernetes.manifests import ENCRYPTED, K8S, OVERLAYS, ROOT, Manifest, rendered
from tests.kubernetes.templates import Chart, TemplateError, merged
from tests.kubernetes.test_manifests import KUBERNETES, SCHEMAS

CHART = Chart(K8S / "chart")
SCHEMA = Draft7Validator(orjson.loads((K8S / "chart" / "values.schema.json").read_bytes()))
#: What a chart leaves to others: namespaces to `--create-namespace`, Secrets to people and operators.
OTHERS = {"Namespace", "Secret", "ExternalSecret"}
ANTHROPIC = {"secret": "homa-anthropic", "variable": "ANTHROPIC_API_KEY"}


def settings(overlay: str) -> str:
    return (K8S / "overlays" / overlay / "homa.toml").read_text()


def default_values() -> dict[str, Any]:
    return dict(yaml.safe_load((CHART.directory / "values.yaml").read_text()))


def values(fleet: str) -> dict[str, Any]:
    """What has to be set for a chart to be an overlay, or one of ENCRYPTED."""
    overlay, _, encrypted = fleet.partition(", ")
    return {**_values(overlay), **({"encryption": {"enabled": True}} if encrypted else {})}


def _values(overlay: str) -> dict[str, Any]:
    if overlay == "dev":
        small = {"requests": {"cpu": "50m", "memory": "128Mi"}}
        store = {"resources": {"requests": {"cpu": "50m", "memory": "256Mi"}}}
        return {"settings": settings("dev"), "providers": {"openai": {"resources": small}}, "store": store}
    return {
        "settings": settings("production"),
        "providers": {"anthropic": merged(default_values()["providers"]["openai"], ANTHROPIC)},
        "store": {"internal": False},
        "gateway": {"enabled": True},
        "autoscaling": {"enabled": True},
        "monitoring": {"enabled": True},
    }


def subset(given: dict[str, Any]) -> list[Manifest]:
    return CHART.render(given)


def helm(given: dict[str, Any]) -> list[Manifest]:
    """By Helm itself."""
    done = subprocess.run(
        ["helm", "template", "homa", str(CHART.directory), "--namespace", "homa", "--values", "-"],
        input=yaml.safe_dump(given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


#: Where Helm is installed it is asked, too.
ENGINES = [subset, *([helm] if shutil.which("helm") else [])]


def plain(manifest: Manifest) -> Manifest:
    """An object without what the two may name otherwise: hashes in names, the namespace, the Job's hooks."""
    text = re.sub(rb"(homa-settings)-[0-9a-z]{10}", rb"\1", orjson.dumps(manifest))
    text = re.sub(rb'"homa-store-[0-9a-z]{10}"', b'"homa-store"', text)
    found: Manifest = orjson.loads(text)
    found["metadata"].pop("namespace", None)
    if found["kind"] == "Job":
        assert found["metadata"].pop("annotations", HOOKS) == HOOKS
    return found


HOOKS = {"helm.sh/hook": "post-install,post-upgrade", "helm.sh/hook-delete-policy": "before-hook-creation"}


def by_name(manifests: list[Manifest]) -> dict[str, Manifest]:
    found = [plain(manifest) for manifest in manifests if manifest["kind"] not in OTHERS]
    named = {f"{one['kind']} {one['metadata']['name']}": one for one in found}
    assert len(named) == len(found), "two objects of one name"
    return named


def test_the_templates_are_those_that_the_manifests_make() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "make_chart.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("fleet", [*OVERLAYS, *ENCRYPTED])
def test_the_chart_makes_the_objects_of_the_overlay(fleet: str, engine: Any) -> None:
    ours, theirs = by_name(engine(values(fleet))), by_name(rendered(fleet).manifests)
    assert ours.keys() == theirs.keys()
    for name, found in ours.items():
        assert found == theirs[name], name


def test_every_object_of_the_default_values_is_valid() -> None:
    found = CHART.render({})
    assert len(found) > 10
    for manifest in found:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def every_value() -> dict[str, Any]:
    """Each value that can be set, otherwise than it is by default."""
    resources = {"requests": {"cpu": "1"}, "limits": {"memory": "3Gi"}}
    provider = {
        "secret": "vault", "key": "token", "variable": "GEMINI_API_KEY", "concurrency": 7,
        "minReplicas": 2, "maxReplicas": 9, "resources": resources,
    }  # fmt: skip
    return {
        "image": {"repository": "registry.example/homa", "tag": "9.9.9"},
        "settings": 'namespace = "blue"\n',
        "homaNamespace": "blue",
        "gracePeriodSeconds": 99,
        "providers": {"openai": None, "gemini": provider},
        "store": {
            "secret": "redis", "internal": False, "image": "valkey/valkey:x", "maxmemory": "3gb", "storage": "77Gi",
            "resources": resources, "addresses": ["192.0.2.0/24"], "ports": [7777],
        },
        "encryption": {"enabled": True, "secret": "seal", "key": "ring"},
        "gateway": {
            "enabled": True, "replicas": 5, "ingressClass": "traefik", "ingressNamespace": "edge",
            "host": "llm.example", "tlsSecret": "cert",
        },
        "autoscaling": {"enabled": True, "prometheus": "http://prom.example"},
        "monitoring": {"enabled": True, "namespace": "watch"},
    }  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_every_value_reaches_an_object(engine: Any) -> None:
    given = every_value()
    internal = merged(given, {"store": {"internal": True}})
    said = orjson.dumps([engine(given), engine(internal)]).decode()
    for wanted in (
        "registry.example/homa:9.9.9", "homa-settings-", '"terminationGracePeriodSeconds":99', "worker-gemini",
        '"vault"', '"token"', '"GEMINI_API_KEY"', '"7"', '"minReplicaCount":2', '"maxReplicaCount":9', '"3Gi"',
        '"secretName":"seal"', '"key":"ring"',
        '"name":"redis"', "valkey/valkey:x", '"3gb"', '"77Gi"', '"192.0.2.0/24"', '"port":7777', '"replicas":5',
        '"traefik"', '"edge"', '"llm.example"', '"cert"', '"http://prom.example"', '"watch"', 'namespace=\\"blue\\"',
    ):  # fmt: skip
        assert wanted in said, wanted
    assert "worker-openai" not in said
    for manifest in engine(given):
        if (schema := SCHEMAS.get(manifest["kind"])) is not None:
            assert Draft202012Validator(schema).is_valid(manifest), manifest["kind"]
        else:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_other_settings_are_another_name_so_that_pods_roll() -> None:
    def name(text: str) -> str:
        [found] = [one for one in CHART.render({"settings": text}) if one["kind"] == "ConfigMap"]
        assert found["data"]["homa.toml"] == text
        return str(found["metadata"]["name"])

    assert name("a = 1\n") != name("a = 2\n")
    assert name("a = 1\n") == name("a = 1\n")
    assert name('  indented = "\t{{ $.Values }} <&> \N{EURO SIGN}"\n\n')


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"gatway": {"enabled": True}}, "gatway"),
        ({"providers": {"openai": {"concurency": 5}}}, "concurency"),
        ({"providers": {"Open AI": default_values()["providers"]["openai"]}}, "Open AI"),
        ({"providers": {"openai": {"variable": "openai key"}}}, "openai key"),
        ({"gracePeriodSeconds": "660"}, "660"),
        ({"settings": ""}, "''"),
        ({"autoscaling": {"enabled": True}}, "True was expected"),
        ({"store": {"addresses": ["redis.example"]}}, "redis.example"),
        ({"encryption": {"enabled": "yes"}}, "yes"),
        ({"encryption": {"secret": "homa_encryption"}}, "homa_encryption"),
        ({"encryption": {"keys": "k1:b64"}}, "keys"),
    ],
)
def test_a_wrong_value_is_refused_by_the_schema(wrong: dict[str, Any], named: str) -> None:
    """Helm holds values to the schema before it renders anything."""
    errors = [error.message for error in SCHEMA.iter_errors(merged(default_values(), wrong))]
    assert any(named in error for error in errors), errors


def test_good_values_pass_the_schema() -> None:
    for given in ({}, *map(values, (*OVERLAYS, *ENCRYPTED)), every_value()):
        assert [error.message for error in SCHEMA.iter_errors(merged(default_values(), given))] == []


def test_the_grace_of_the_default_is_longer_than_its_longest_call() -> None:
    read = default_values()
    longest_s = max(one["timeout_s"] for one in tomllib.loads(read["settings"])["providers"].values())
    assert read["gracePeriodSeconds"] >= longest_s + 30


def test_the_chart_has_the_version_of_the_distribution() -> None:
    about = yaml.safe_load((CHART.directory / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert about["version"] == about["appVersion"] == project["project"]["version"]
    written = project["tool"]["semantic_release"]["version_variables"]
    assert {f"k8s/chart/Chart.yaml:{name}" for name in ("version", "appVersion")} <= set(written)


@pytest.mark.parametrize(
    "template",
    ["{{ $.Values.nothing }}", "{{ include 1 }}", "{{ if $.Values.image }}x", "{{ end }}", "{{ .Values.image.tag }}"],
)
def test_what_is_not_read_here_is_never_rendered(tmp_path: Path, template: str) -> None:
    (tmp_path / "templates").mkdir()
    for name in ("Chart.yaml", "values.yaml"):
        (tmp_path / name).write_text((CHART.directory / name).read_text())
    (tmp_path / "templates" / "x.yaml").write_text(template)
    with pytest.raises(TemplateError):
        Chart(tmp_path).render({})
