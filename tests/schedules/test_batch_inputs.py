"""What a schedule's batch may read, where its store is others' as well."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

from homa.cli.run.command import command
from homa.cli.run.options import RunRequest
from homa.runs.inputs import RunInputs
from homa_shared.model.errors import InvalidRequest
from tests.patience import PATIENCE_S

Filling: TypeAlias = "Callable[..., subprocess.Popen[str]]"

PLACES = ("/data/in", "https://example.com/notes", "s3://bucket/in/")


def refused(arguments: Sequence[str], places: tuple[str, ...]) -> str:
    """What is said of arguments of a run; empty: they are allowed."""
    try:
        RunRequest(command.make_context("homa run", list(arguments)).params).read_only(places)
    except InvalidRequest as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "name",
    ["/data/in", "/data/in/a.txt", "/data/in/2026-*/b?.txt", "https://example.com/notes/1.txt", "s3://bucket/in/a"],
)
def test_what_lies_in_a_place_is_read(name: str) -> None:
    assert not refused(["--model", "p:m", "--schema", '{"type": "object"}', "--", name], PLACES)


@pytest.mark.parametrize(
    "name",
    [
        "/data/inside.txt",
        "/data/*",
        "/data/in/../secret.txt",
        "/data/in/*/../../secret.txt",
        "/etc/passwd",
        "https://example.com/notes-of-others",
        "https://example.com.evil.org/notes/1",
        "http://169.254.169.254/latest",
        "s3://bucket/in/../out/a",
    ],
)
def test_what_lies_elsewhere_is_named(name: str) -> None:
    assert f"may not read {name}: " in refused(["--", "/data/in/a.txt", name], PLACES)
    assert f"may not read {name}: " in refused([name, "--", "/data/in/a.txt"], PLACES)
    assert f"may not read {name}: " in refused(["--", name], ())


def test_an_address_that_lies_elsewhere_is_named_without_its_password() -> None:
    said = refused(["--", "https://me:password@example.com/notes/1.txt?token=abc"], PLACES)
    assert "may not read https://example.com/notes/1.txt: " in said


@pytest.mark.parametrize(
    "option",
    [
        ["--prompt", "@/etc/passwd"],
        ["--prompt=@etc/passwd"],
        ["--system", "@etc/passwd"],
        ["--schema", "/etc/passwd"],
        # What `{{tick:etc/passwd}}` becomes, which no plan makes absolute.
        ["--schema", "etc/passwd"],
        ["--schema=@etc/passwd"],
    ],
)
def test_files_that_options_name_are_inputs_too(option: list[str]) -> None:
    assert "etc/passwd: name its directory" in refused([*option, "--", "/data/in/a.txt"], PLACES)


def test_a_link_does_not_lead_out(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (inside / "own.txt").write_text("own")
    (inside / "link.txt").symlink_to(outside / "secret.txt")
    (inside / "folder").symlink_to(outside)
    link = str(inside / "link.txt")
    assert f"may not read {link}: " in refused(["--", link], (str(inside),))
    for name in (f"{inside}", f"{inside}/*.txt", f"{inside}/fold*/secret.txt", f"{inside}/**/*.txt"):
        rows = list(RunInputs((name,), within=(str(inside),)).rows())
        assert "secret" not in [getattr(row, "text", None) for row in rows], name
        told = [row.error for row in rows if getattr(row, "error", "").startswith("is a link that leads to where")]
        assert told, name
    assert "secret" in [getattr(row, "text", None) for row in RunInputs((str(inside),)).rows()]


@pytest.fixture
def filling(store_url: str, namespace: str, tmp_path: Path) -> Filling:
    """Starts the process that a worker starts, in a folder of its own."""
    environment = {"HOMA_REDIS_URL": store_url, "HOMA_NAMESPACE": namespace, "HOMA_HOME": str(tmp_path)}

    def started(places: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "homa.cli", "run", "--fill", "b", "--model", "openai:gpt-6-luna", *arguments],
            env={**os.environ, **environment, "HOMA_SCHEDULE_INPUTS": places},
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return started


def test_a_filling_process_reads_nothing_else(filling: Filling, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("a")
    (tmp_path / "secret.json").write_text('{"type": "object"}')
    for places, said in (("in", "may not read secret.json"), ("elsewhere", "may not read in/a.txt")):
        with filling(places, "--schema", "secret.json", "--", "in/a.txt") as process:
            assert process.stderr is not None
            told = process.stderr.read()
        assert (process.returncode, said in told) == (2, True), told


def test_a_filling_process_ends_with_its_worker_while_it_waits_for_its_input(filling: Filling, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "in.txt")
    with filling(str(tmp_path), "--", "in.txt") as process:
        # Both ends are open: the process reads what nobody writes.
        writer = os.open(tmp_path / "in.txt", os.O_WRONLY)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
        os.close(writer)
