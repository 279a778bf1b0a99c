"""`homa worker --actors`: actors alone, a module's own broker, middleware's forks, Dramatiq's own command."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import dramatiq
import pytest

from homa_shared.broker import HomaBroker
from homa_workers.process.main import main
from tests.patience import PATIENCE_S
from tests.worker.cell import Cell, until
from tests.worker.processes import process, told

#: A module in which an application sets its broker and declares an actor.
OWN_BROKER = """
import os, pathlib, dramatiq
from homa_shared.broker import HomaBroker

broker = HomaBroker(os.environ["HOMA_REDIS_URL"], os.environ["HOMA_NAMESPACE"])
dramatiq.set_broker(broker)

@dramatiq.actor
def touch(name):
    pathlib.Path(name).touch()
"""

#: A module that leaves the broker to the worker, with middleware that wants a process of its own.
FORKS = """
import os, pathlib, time, dramatiq
from dramatiq.middleware import Middleware

def beside():
    pathlib.Path("fork").write_text(str(os.getpid()))
    time.sleep(600)
    return 0

class Wants(Middleware):
    @property
    def forks(self):
        return [beside]

    def after_process_boot(self, broker):
        pathlib.Path("booted").touch()

dramatiq.get_broker().add_middleware(Wants())

@dramatiq.actor
def touch(name):
    pathlib.Path(name).touch()
"""

#: A module that declares an actor before it sets its broker.
EARLY = """
dramatiq.actor(actor_name="early")(print)
dramatiq.set_broker(HomaBroker(os.environ["HOMA_REDIS_URL"], os.environ["HOMA_NAMESPACE"]))
"""


def send(cell: Cell, name: str) -> None:
    broker = HomaBroker(cell.address, cell.namespace)
    broker.enqueue(dramatiq.Message("default", "touch", (name,), {}, {}))
    broker.close()


@pytest.mark.parametrize("module", [OWN_BROKER, FORKS], ids=["its own broker", "the worker's broker"])
async def test_a_worker_of_actors_alone(cell: Cell, module: str) -> None:
    (cell.home / "app_actors.py").write_text(module)
    send(cell, "ran")
    settings = {name: value for name, value in cell.environment().items() if not name.startswith("HOMA_PROVIDERS__")}
    elsewhere = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "homa_workers", "--actors", "app_actors", "--threads", "2"),
        env=elsewhere | settings,
        stderr=PIPE,
        cwd=cell.home,
    )
    assert "serves default" in await told(worker, "serves")
    await until(lambda: (cell.home / "ran").exists())
    worker.send_signal(signal.SIGTERM)
    assert "draining" in await told(worker, "draining")
    assert await asyncio.wait_for(worker.wait(), PATIENCE_S) == 0


async def test_forks_of_middleware_run_beside_the_worker_and_end_with_it(cell: Cell) -> None:
    (cell.home / "app_actors.py").write_text(FORKS)
    async with process(cell, "openai", "--actors", "app_actors") as worker:
        await until(lambda: (cell.home / "fork").exists() and (cell.home / "fork").read_text() != "")
        assert (cell.home / "booted").exists()
        worker.kill()
        await worker.wait()
    fork = int((cell.home / "fork").read_text())
    await until(lambda: not Path(f"/proc/{fork}").exists())
    assert not Path(f"/proc/{fork}").exists(), "also where the worker was killed"


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("dramatiq.set_broker(StubBroker())", "it sets a StubBroker"),
        ("dramatiq.set_broker(HomaBroker(os.environ['HOMA_REDIS_URL'], 'elsewhere'))", "namespace elsewhere"),
        (
            EARLY,
            "after early had been declared",
        ),
    ],
    ids=["another kind", "another cell", "too late"],
)
async def test_a_broker_that_cannot_be_served_is_refused_by_name(cell: Cell, module: str, words: str) -> None:
    head = (
        "import os, dramatiq\nfrom dramatiq.brokers.stub import StubBroker\nfrom homa_shared.broker import HomaBroker\n"
    )
    (cell.home / "app_actors.py").write_text(f"{head}\n{module}")
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "homa_workers", "openai", "--actors", "app_actors"),
        env=os.environ | cell.environment(),
        stderr=PIPE,
        cwd=cell.home,
    )
    _, said = await asyncio.wait_for(started.communicate(), PATIENCE_S)
    assert started.returncode == 2
    assert "--actors app_actors" in said.decode()
    assert words in said.decode()


async def test_a_module_without_actors_is_told_of(cell: Cell) -> None:
    (cell.home / "app_actors.py").write_text("")
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "homa_workers", "openai", "--actors", "app_actors"),
        env=os.environ | cell.environment(),
        stderr=PIPE,
        cwd=cell.home,
    )
    assert "no actor is declared" in await told(started, "no actor")
    started.kill()
    await started.communicate()


async def test_dramatiqs_own_command_ends_with_the_reason(cell: Cell) -> None:
    (cell.home / "app_actors.py").write_text(OWN_BROKER)
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dramatiq", "app_actors", "--processes", "1", "--threads", "1"),
        env=os.environ | cell.environment(),
        stderr=PIPE,
        stdout=PIPE,
        cwd=cell.home,
    )
    out, said = await asyncio.wait_for(started.communicate(), PATIENCE_S)
    assert started.returncode != 0
    assert (out + said).decode().count("run `homa worker --actors MODULE`") == 1


def test_a_worker_of_nothing_is_refused(
    cell: Cell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(cell.home)
    for name in [name for name in os.environ if name.startswith("HOMA_") or name.endswith("_API_KEY")]:
        monkeypatch.delenv(name)
    environment = cell.environment()
    monkeypatch.setenv("HOMA_REDIS_URL", environment["HOMA_REDIS_URL"])
    monkeypatch.setenv("HOMA_HOME", str(cell.home))
    assert main(["--threads", "1"]) == 2
    assert "no provider is configured" in capsys.readouterr().err
