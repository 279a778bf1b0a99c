"""`homa new`: what it writes is found, passes its own test and a strict type checker, and overwrites nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from homa.cli import main
from homa.cli.new.sorts import SORTS
from tests import typecheckers
from tests.plugins.packages import install_project

#: Seconds that a generated test may take on a busy machine.
_PATIENCE_S = 120


def new(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["new", *arguments])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("sort", list(SORTS))
def test_what_is_written_loads_passes_its_test_and_strict_types(sort: str, folder: Path) -> None:
    made = new(sort, "acme-thing")
    assert made.exit_code == 0, made.stderr
    written = folder / "homa-acme-thing"
    files = {path.name for path in written.iterdir()}
    assert files == {"pyproject.toml", "homa_acme_thing.py", "test_homa_acme_thing.py"}
    assert "pip install --editable homa-acme-thing" in made.stderr
    environment = os.environ | {"PYTHONPATH": str(written), "HOMA_HOME": str(folder / "home")}
    tested = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"),
            *("-o", "asyncio_default_fixture_loop_scope=function", str(written)),
        ],
        cwd=written,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert typecheckers.mypy(sorted(written.glob("*.py"))) == []
    linted = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--line-length", "120", "."],
        cwd=written,
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout
    install_project(written)
    listed = subprocess.run(
        [sys.executable, "-m", "homa.cli", "plugins", "--json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=True,
    ).stdout
    assert '"state": "loads"' in listed
    assert '"package": "homa-acme-thing"' in listed


def test_a_command_that_was_written_runs(folder: Path) -> None:
    new("command", "failures", "--directory", "mine")
    install_project(folder / "mine")
    environment = os.environ | {"PYTHONPATH": str(folder / "mine")}
    said = subprocess.run(
        [sys.executable, "-m", "homa.cli", "failures", "--help"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=True,
    ).stdout
    assert "Say how many jobs failed." in said


@pytest.mark.parametrize(("sort", "name"), [("command", "click"), ("provider", "aiohttp")])
def test_a_name_that_no_code_has_is_taken_whatever_the_module_imports(sort: str, name: str, folder: Path) -> None:
    assert new(sort, name).exit_code == 0
    written = folder / f"homa-{name}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    options = ["-o", "asyncio_default_fixture_loop_scope=function", str(written)]
    environment = os.environ | {"PYTHONPATH": str(written), "HOMA_HOME": str(folder / "home")}
    subprocess.run([*command, *options], cwd=written, env=environment, timeout=_PATIENCE_S, check=True)


def test_nothing_that_exists_is_overwritten(folder: Path) -> None:
    assert new("tool", "words").exit_code == 0
    module = folder / "homa-words" / "homa_words.py"
    module.write_text("# mine\n")
    again = new("tool", "words")
    assert again.exit_code == 2
    assert "exists: expected another --directory, or another name" in again.stderr
    assert module.read_text() == "# mine\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("tool", "Two Words"), "name is 'Two Words': expected small letters, digits and '-'"),
        (("tool", "9lives"), "name is '9lives'"),
        (("tool", "class"), "expected one that Python, or the module's own text, does not use"),
        (("tool", "len"), "expected one that Python, or the module's own text, does not use"),
        (("tool", "job"), "expected one that Python, or the module's own text, does not use"),
        (("tool", "fake"), "expected one that Python, or the module's own text, does not use"),
        (("middleware", "call-next"), "expected one that Python, or the module's own text, does not use"),
        (("tool", "shared"), "a module homa_shared is installed here"),
        (("provider", "openai"), "which is one of Homa's own"),
        (("command", "queues"), "which is one of Homa's own"),
        (("reader", "csv"), "which is one of Homa's own"),
    ],
)
def test_a_name_that_is_none_or_taken_is_refused(arguments: tuple[str, str], why: str, folder: Path) -> None:
    said = new(*arguments)
    assert said.exit_code == 2
    assert why in said.stderr
    assert list(folder.iterdir()) == []
