"""What is applied to a cluster is valid, safe and fits together."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import orjson
import pytest
from jsonschema import Draft202012Validator

from homa.cli import SUMMARIES
from homa_shared.metrics.catalogue import CATALOGUE
from homa_shared.settings.model import load_settings
from tests.kubernetes.manifests import ENCRYPTED, K8S, OVERLAYS, ROOT, Manifest, Rendered, rendered

#: The newest Kubernetes that all clouds offer.
KUBERNETES = "1.34"
SCHEMAS = {path.stem: orjson.loads(path.read_bytes()) for path in (Path(__file__).parent / "schemas").glob("*.json")}


@pytest.fixture(params=[*OVERLAYS, *ENCRYPTED])
def fleet(request: pytest.FixtureRequest) -> Rendered:
    return rendered(request.param)


def _name(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def test_every_manifest_is_valid(fleet: Rendered) -> None:
    assert len(fleet.manifests) > 10
    for manifest in fleet.manifests:
        if (schema := SCHEMAS.get(manifest["kind"])) is not None:
            errors = [error.message for error in Draft202012Validator(schema).iter_errors(manifest)]
            assert errors == [], _name(manifest)
        else:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_a_field_that_is_misspelt_is_found() -> None:
    fleet = rendered("production")
    deployment = fleet.one("Deployment", "worker-openai")
    deployment = {**deployment, "spec": {**deployment["spec"], "replica": 3}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, KUBERNETES, strict=True)
    scaled = fleet.one("ScaledObject", "worker-openai")
    scaled = {**scaled, "spec": {**scaled["spec"], "maxReplicas": 3}}
    assert not Draft202012Validator(SCHEMAS["ScaledObject"]).is_valid(scaled)


def test_pods_may_do_no_more_than_they_must(fleet: Rendered) -> None:
    for name, pod in fleet.pods():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
    for name, container in fleet.containers():
        allowed = container["securityContext"]
        assert allowed["readOnlyRootFilesystem"] is True, name
        assert allowed["allowPrivilegeEscalation"] is False, name
        assert allowed["capabilities"] == {"drop": ["ALL"]}, name
        assert {"requests", "limits"} <= container["resources"].keys(), name


def test_workers_have_time_for_their_longest_call(fleet: Rendered) -> None:
    text = (K8S / "overlays" / fleet.overlay / "homa.toml").read_text()
    longest_s = max(provider["timeout_s"] for provider in tomllib.loads(text)["providers"].values())
    served = 0
    for name, pod in fleet.pods():
        if name.startswith(("worker-", "gateway")):
            served += 1
            assert pod["spec"]["terminationGracePeriodSeconds"] >= longest_s + 30, name
    assert served


def test_settings_are_read_by_homa_itself(fleet: Rendered) -> None:
    [settings] = [found for found in fleet.of("ConfigMap") if "homa.toml" in found["data"]]
    path = K8S / "overlays" / fleet.overlay / "homa.toml"
    assert settings["data"]["homa.toml"] == path.read_text()
    read = load_settings(env={"HOMA_CONFIG": str(path)})
    workers = {c["args"][1] for name, c in fleet.containers() if name.startswith("worker-")}
    assert workers <= read.providers.keys()
    assert read.warnings == ()


def test_containers_run_commands_that_there_are(fleet: Rendered) -> None:
    mine = [c for _, c in fleet.containers() if c["image"].startswith("homa:")]
    assert mine
    for container in mine:
        assert container["args"][0] in SUMMARIES
        assert container["image"] == f"homa:{_version()}"


def _version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def test_a_release_writes_its_version_into_every_overlay() -> None:
    written = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["semantic_release"]["version_variables"]
    assert {f"k8s/overlays/{overlay}/kustomization.yaml:newTag" for overlay in OVERLAYS} <= set(written)


def test_changed_settings_are_applied_by_a_new_job_and_roll_the_pods(fleet: Rendered) -> None:
    [settings] = [found["metadata"]["name"] for found in fleet.of("ConfigMap") if "homa.toml" in found["data"]]
    assert re.fullmatch(r"homa-settings-\w{8,}", settings)
    [job] = fleet.of("Job")
    assert job["metadata"]["name"] == f"homa-apply-{settings}"
    mounted = {
        volume["configMap"]["name"]
        for _, pod in fleet.pods()
        for volume in pod["spec"].get("volumes", ())
        if "configMap" in volume
    }
    assert mounted == {settings}


def test_keys_reach_workers_alone(fleet: Rendered) -> None:
    for name, container in fleet.containers():
        secrets = {ref["name"] for ref in _secrets(container)}
        keys = {secret for secret in secrets if not secret.startswith("homa-store")}
        assert bool(keys) == name.startswith("worker-"), name


def _secrets(container: Manifest) -> list[dict[str, str]]:
    values = [variable.get("valueFrom", {}) for variable in container.get("env", ())]
    return [value["secretKeyRef"] for value in values if "secretKeyRef" in value]


def test_every_secret_comes_from_somewhere(fleet: Rendered) -> None:
    wanted = {ref["name"] for _, container in fleet.containers() for ref in _secrets(container)}
    wanted |= {volume["secret"]["secretName"] for _, pod in fleet.pods() for volume in _secret_volumes(pod)}
    made = {found["metadata"]["name"] for found in fleet.of("Secret")}
    made |= {found["spec"]["target"]["name"] for found in fleet.of("ExternalSecret")}
    # What a person makes, as the overlay's first lines and docs/kubernetes.md say.
    by_hand = {"homa-openai", *(["homa-encryption"] if fleet.encrypted else ())} if fleet.overlay == "dev" else set()
    assert wanted - made == by_hand


def _secret_volumes(pod: Manifest) -> list[Manifest]:
    return [volume for volume in pod["spec"].get("volumes", ()) if "secret" in volume]


def _pods_with(fleet: Rendered, selector: dict[str, Any]) -> list[str]:
    def fits(labels: dict[str, str]) -> bool:
        equal = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
        among = all(labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", ()))
        return equal and among

    return [name for name, pod in fleet.pods() if fits(pod["metadata"]["labels"])]


def test_selectors_find_the_pods_that_they_mean(fleet: Rendered) -> None:
    for found in fleet.of("Service", "Deployment", "StatefulSet", "PodDisruptionBudget"):
        selector = found["spec"]["selector"]
        selector = selector if "matchLabels" in selector else {"matchLabels": selector}
        assert len(_pods_with(fleet, selector)) == 1, _name(found)
    for found in fleet.of("NetworkPolicy", "PodMonitor"):
        selector = found["spec"].get("podSelector", found["spec"].get("selector"))
        assert _pods_with(fleet, selector), _name(found)


def test_what_must_not_vanish_at_once_has_a_disruption_budget(fleet: Rendered) -> None:
    guarded = {found["metadata"]["name"] for found in fleet.of("PodDisruptionBudget")}
    served = {name for name, _ in fleet.pods() if name.startswith(("worker-", "gateway"))}
    assert guarded == served


def test_probes_ask_for_pages_that_there_are(fleet: Rendered) -> None:
    for name, container in fleet.containers():
        ports = {port["name"] for port in container.get("ports", ())}
        for probe in ("readinessProbe", "livenessProbe"):
            asked = container.get(probe, {}).get("httpGet")
            if asked is not None:
                pages = {"/healthz", "/readyz"} if name == "gateway" else {"/livez", "/readyz"}
                assert asked["path"] in pages, name
                assert asked["port"] in ports, name
        if ports:
            assert "readinessProbe" in container, name


def test_each_worker_is_scaled_by_what_it_is_needed_for() -> None:
    fleet = rendered("production")
    scaled = {found["spec"]["scaleTargetRef"]["name"]: found["spec"] for found in fleet.of("ScaledObject")}
    workers = {found["metadata"]["name"]: found for found in fleet.of("Deployment") if "worker" in _name(found)}
    assert scaled.keys() == workers.keys()
    for name, spec in scaled.items():
        # A number in the manifest would undo what autoscaling has set, at each apply.
        assert "replicas" not in workers[name]["spec"]
        [trigger] = spec["triggers"]
        provider = workers[name]["spec"]["template"]["spec"]["containers"][0]["args"][1]
        assert f'provider="{provider}"' in trigger["metadata"]["query"]
        assert re.findall(r"homa_\w+", trigger["metadata"]["query"])[0] in CATALOGUE
        assert spec["minReplicaCount"] == 0
    assert fleet.one("Deployment", "ticker")["spec"]["replicas"] == 1


def test_workers_of_all_providers_are_one_text() -> None:
    for file in sorted((K8S / "workers" / "openai").iterdir()):
        text = file.read_text().replace("openai", "anthropic").replace("OPENAI", "ANTHROPIC")
        assert (K8S / "workers" / "anthropic" / file.name).read_text() == text
