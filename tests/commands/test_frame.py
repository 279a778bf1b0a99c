"""The frame of the command line: lazy, and with the exit statuses of the contract."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from homa.cli import SUMMARIES, main
from homa.cli.exit_status import Stopped, status_of
from homa.runs.errors import JobGivenUp, SignalReceived
from homa.supervision.errors import WorkerLost
from homa_shared.model.errors import (
    BudgetExceeded,
    ConfigError,
    HomaError,
    InvalidRequest,
    JobFailed,
    JobNotFound,
    OutputUnwritable,
    ResultTimeout,
    StoreFull,
    StoreUnavailable,
)


def test_help_imports_no_command_and_no_client():
    code = (
        "import sys; from homa.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'redis', 'pydantic', 'rich', 'homa.cli.run.command'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Run a batch" in done.stdout


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_command_that_help_names_is_there_and_has_help(name: str):
    assert isinstance(main.get_command(click.Context(main), name), click.Command)
    # A process of its own: some commands become another program.
    command = [sys.executable, "-m", "homa.cli", name, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout or "usage" in done.stdout


def test_an_unknown_command_is_wrong_usage():
    answer = CliRunner().invoke(main, ["rum"])
    assert answer.exit_code == 2
    assert "No such command 'rum'. Did you mean 'run'?" in answer.stderr
    assert "Did you mean" not in CliRunner().invoke(main, ["zzz"]).stderr
    assert "--versoin" in CliRunner().invoke(main, ["--versoin"]).stderr


@pytest.mark.parametrize("name", ["simulate", "worker"])
def test_commands_that_become_another_program_speak_in_their_own_name(name: str):
    for option in ("-h", "--help"):
        done = subprocess.run(
            [sys.executable, "-m", "homa.cli", name, option], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert f"homa {name}" in done.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("x"), 2),
        (InvalidRequest("x"), 2),
        (JobNotFound("x"), 2),
        (JobFailed("x"), 1),
        (StoreUnavailable("x"), 3),
        (StoreFull("x"), 3),
        (BudgetExceeded("x"), 3),
        (ResultTimeout("x"), 3),
        (OutputUnwritable("x"), 3),
        (WorkerLost("x", misconfigured=False), 3),
        (WorkerLost("x", misconfigured=True), 2),
    ],
)
def test_an_error_has_its_exit_status(error: HomaError, status: int):
    assert status_of(error) == status


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (StoreUnavailable("the store is away"), 3, "homa: the store is away"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Stopped(143), 143, ""),
        (SignalReceived(15), 143, ""),
        (JobGivenUp(SignalReceived(2)), 130, ""),
        (JobGivenUp(WorkerLost("x", misconfigured=False)), 3, ""),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 300), 2, "File name too long"),
        (OSError(errno.ENOSPC, "No space left on device"), 3, "homa: No space left on device"),
    ],
)
def test_an_error_becomes_a_message_and_a_status(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, said: str
):
    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setattr("homa.cli.run.command.command", failing)
    answer = CliRunner().invoke(main, ["run"])
    assert answer.exit_code == status
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_defect_that_looks_like_the_systems_is_not_hidden(monkeypatch: pytest.MonkeyPatch):
    @click.command()
    def failing() -> None:
        raise OSError("nobody knows")

    monkeypatch.setattr("homa.cli.run.command.command", failing)
    assert isinstance(CliRunner().invoke(main, ["run"]).exception, OSError)


def test_a_reader_that_leaves_ends_the_command_quietly():
    command = f"{sys.executable} -m homa.cli config show | head -c 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


def test_what_the_terminals_encoding_lacks_is_written_otherwise():
    code = (
        "import click, sys; from homa.cli import main\n"
        "@main.command('say')\n"
        "def say(): click.echo('Gr\\u00fc\\u00dfe \\u4f60 \\ud800')\n"
        "from homa.cli import SUMMARIES, Commands; SUMMARIES['say'] = ''\n"
        "Commands.get_command = lambda self, ctx, name: say\n"
        "main(['say'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, env={**os.environ, "PYTHONIOENCODING": "cp1252"}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode("cp1252") == "Gr\u00fc\u00dfe \\u4f60 \\ud800\n"
