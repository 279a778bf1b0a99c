"""A lock is complete: installing it resolves nothing, so that no release of tomorrow can break it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.project.locks import LOCKS, PYTHONS, ROOT, Line, asked_for, environment, installed, lines

INSTALL = ROOT / "tools" / "install.sh"
DEV = ROOT / "requirements" / "dev.txt"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_requirement_of_every_locked_distribution_is_met_by_a_line_of_the_lock(lock: Path, python: str) -> None:
    where = environment(python)
    locked = {line.name: line for line in lines(lock) if line.holds_on(where)}
    assert locked
    # A line for another Python or platform is read where the tests run there.
    unread = [line.name for line in locked.values() if line.name not in installed() and line.holds_on(environment())]
    assert unread == []
    unmet = [
        f"{line.name} asks for {requirement}"
        for line in locked.values()
        if line.name in installed()
        for requirement in asked_for(installed()[line.name], line.extras, where)
        if not _meets(locked.get(canonicalize_name(requirement.name)), requirement)
    ]
    assert unmet == []


def _meets(line: Line | None, requirement: Requirement) -> bool:
    return line is not None and line.version in requirement.specifier and requirement.extras <= line.extras


def test_what_is_locked_is_what_is_installed() -> None:
    locked = {line.name: line.version for line in lines(DEV) if line.holds_on(environment())}
    assert {name: installed()[name].version for name in locked} == locked


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_the_tests_have_the_metadata_of_all_that_is_locked(lock: Path) -> None:
    assert {line.name: line.version for line in lines(lock)}.items() <= {
        line.name: line.version for line in lines(DEV)
    }.items()


def _wheel(index: Path, dist: Distribution, version: str) -> str:
    """A wheel with a distribution's name and requirements, and nothing in it; its SHA-256."""
    name = re.sub(r"[-_.]+", "_", dist.name)
    info = f"{name}-{version}.dist-info"
    metadata = re.sub(r"^Version: .*$", f"Version: {version}", dist.read_text("METADATA") or "", flags=re.MULTILINE)
    files = {
        f"{info}/METADATA": metadata.partition("\n\n")[0] + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={_digest(text)},{len(text.encode())}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    wheel = index / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Index:
    """A local index that offers a newer version of all that is locked, beside the locked one."""

    folder: Path
    #: The lock for development, with the hashes of this index.
    lock: Path
    #: Name -> version, as locked.
    locked: dict[str, str]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    place = tmp_path_factory.mktemp("index")
    folder = place / "wheels"
    folder.mkdir()
    text = re.sub(r" \\\n( +--hash=\S+( \\)?\n)+", "\n", DEV.read_text())
    here = [line for line in lines(DEV) if line.holds_on(environment())]
    for line in here:
        digest = _wheel(folder, installed()[line.name], line.version)
        _wheel(folder, installed()[line.name], f"{Version(line.version).major + 1}.0")
        pinned = rf"^{re.escape(line.name)}(\[.*\])?=={re.escape(line.version)}( ;.*)?$"
        text = re.sub(pinned, rf"\g<0> --hash=sha256:{digest}", text, flags=re.MULTILINE)
    lock = place / "lock.txt"
    lock.write_text(text)
    return Index(folder, lock, {canonicalize_name(line.name): line.version for line in here})


def _install(index: Index, lock: Path, place: Path, installer: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Runs the project's own installation, with nothing but the index to install from."""
    venv = place / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    if installer == "uv":
        _lend(venv, "uv")
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    only = {
        "PIP_CACHE_DIR": str(place / "cache"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": str(index.folder),
        "PIP_NO_INDEX": "1",
        "UV_CACHE_DIR": str(place / "cache"),
        "UV_FIND_LINKS": str(index.folder),
        "UV_NO_INDEX": "1",
    }
    command = ["sh", str(INSTALL), str(venv), str(lock)]
    done = subprocess.run(command, env=own | only, capture_output=True, text=True, check=False)
    return done, venv


def _lend(venv: Path, name: str) -> None:
    """Puts a distribution of this environment into another one."""
    site = next((venv / "lib").glob("python*")) / "site-packages"
    for file in installed()[name].files or ():
        target = Path(os.path.normpath(site / file))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(Path(str(file.locate())).resolve())


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_an_index_with_newer_versions_of_everything_gives_the_locked_ones(
    index: Index, tmp_path: Path, installer: str
) -> None:
    done, venv = _install(index, index.lock, tmp_path, installer)
    assert done.returncode == 0, done.stderr
    assert ("uv is not to be had here" in done.stderr) == (installer == "pip")
    code = "from importlib.metadata import distributions; print(*(f'{d.name}=={d.version}' for d in distributions()))"
    listed = subprocess.run([str(venv / "bin" / "python"), "-c", code], capture_output=True, text=True, check=True)
    found = {canonicalize_name(name): version for name, version in (x.split("==") for x in listed.stdout.split())}
    assert {name: found.get(name) for name in index.locked} == index.locked


def test_a_lock_that_lacks_a_line_is_refused_instead_of_resolved(index: Index, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(re.sub(r"^google-auth\[.*$", "", index.lock.read_text(), flags=re.MULTILINE))
    done, _ = _install(index, lock, tmp_path, "uv")
    assert done.returncode == 1
    assert "google-genai" in done.stderr
    assert "google-auth" in done.stderr
    assert "lock.txt is not complete" in done.stderr
