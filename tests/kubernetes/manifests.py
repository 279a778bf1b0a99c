"""Manifests as kubectl renders them, and programs that judge them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
OVERLAYS = ("dev", "production")
#: The same with the component that mounts keys of encryption.
ENCRYPTED = tuple(f"{overlay}, encrypted" for overlay in OVERLAYS)
#: Kinds that hold a template of pods.
WORKLOADS = ("Deployment", "StatefulSet", "Job")

Manifest = dict[str, Any]


def program(name: str, package: str) -> str:
    """Where a program is; the test is skipped where it is not, which CI does not allow."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: Debian's package {package} has it")
    return found


@dataclass(frozen=True)
class Rendered:
    """An overlay, as it is applied."""

    overlay: str
    manifests: list[Manifest]
    encrypted: bool = False

    def of(self, *kinds: str) -> list[Manifest]:
        return [found for found in self.manifests if found["kind"] in kinds]

    def one(self, kind: str, name: str) -> Manifest:
        [found] = [one for one in self.of(kind) if one["metadata"]["name"] == name]
        return found

    def pods(self) -> Iterator[tuple[str, Manifest]]:
        """Names of workloads, and their pods' templates."""
        for found in self.of(*WORKLOADS):
            yield found["metadata"]["name"], found["spec"]["template"]

    def containers(self) -> Iterator[tuple[str, Manifest]]:
        for name, pod in self.pods():
            for container in pod["spec"]["containers"]:
                yield name, container


@cache
def rendered(fleet: str) -> Rendered:
    """An overlay, or one of ENCRYPTED: that overlay, and components as its last lines show them."""
    overlay, _, encrypted = fleet.partition(", ")
    if not encrypted:
        return Rendered(overlay, _manifests(K8S / "overlays" / overlay))
    # Secrets of `dev` are made by hand.
    components = ["encryption", "encryption/external-secret"][: 2 if overlay == "production" else 1]
    with tempfile.TemporaryDirectory() as place:
        # kustomize follows symbolic links, and takes no absolute path.
        above = os.path.relpath(K8S, Path(place).resolve())
        told = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"{above}/overlays/{overlay}"],
            "components": [f"{above}/{component}" for component in components],
        }
        (Path(place) / "kustomization.yaml").write_text(yaml.safe_dump(told))
        return Rendered(overlay, _manifests(Path(place)), encrypted=True)


def _manifests(directory: Path) -> list[Manifest]:
    done = subprocess.run(
        [program("kubectl", "kubernetes-client"), "kustomize", str(directory)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]
