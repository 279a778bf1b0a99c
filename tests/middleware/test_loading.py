"""Middlewares of installed packages are found by their entry points; one that is wrong is named."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from homa_shared.model.errors import ConfigError
from homa_workers.middleware import Middleware, WorkerIdentity
from homa_workers.middleware.chain import MiddlewareChain
from homa_workers.middleware.entry_points import declared, installed
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.process.main import USAGE
from tests.patience import PATIENCE_S
from tests.plugins.packages import Site
from tests.steps.cell import Cell

MODULE = """
from homa_workers.middleware import Middleware, around

class First(Middleware):
    pass

class Second(Middleware):
    pass

def second():
    return Second()

def nothing():
    return 7

def broken():
    raise OSError("no such file")

number = 7

@around(provider="openai", order=2)
async def outside(request, call_next):
    return await call_next(request)

@around(provider="anthropic")
async def elsewhere(request, call_next):
    return await call_next(request)

@around(order=1)
async def first(request, call_next):
    return await call_next(request)
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def install(site: Path, **points: str) -> None:
    """A package `homa-acme` with these middlewares, as an installer leaves it."""
    name = f"acme_{abs(hash(str(site)))}"
    found = {point: f"{name}:{value}" for point, value in points.items()}
    Site(site).install("homa-acme", {"homa.middleware": found}, **{name: MODULE})


def names(factories: object) -> list[str]:
    return [one.make.__name__ for one in factories]  # type: ignore[attr-defined]


def test_where_nothing_is_installed_there_is_none(site: Path) -> None:
    assert installed("fatal", pytest.fail) == []


async def test_they_stand_in_the_order_of_their_names_among_homas_own(site: Path, cell: Cell) -> None:
    install(site, b="First", a="second")
    assert names(installed("fatal", pytest.fail)) == ["second", "First"]
    process = await cell.process(middleware=[Third])
    assert [type(middleware).__name__ for middleware in process.middleware[0]._all] == [
        *("AttemptLog", "SentryReports", "Second", "First", "Third"),
        *("TokenCalibration", "VectorKeeping", "MediaRelease", "PrefixWarmup"),
    ]


class Third(Middleware):
    pass


async def test_functions_around_calls_are_found_too_each_for_its_provider(site: Path, cell: Cell) -> None:
    install(site, a="outside", b="elsewhere", c="first")
    process = await cell.process("openai")
    (chain,) = process.middleware
    assert [one.function.__name__ for one in chain.around] == ["first", "outside"]


async def test_a_worker_is_told_a_module_that_declares_them(site: Path) -> None:
    (site / "mine.py").write_text(MODULE)
    assert [getattr(one, "__name__", "") or one.function.__name__ for one in declared(["mine"])] == [  # type: ignore[union-attr]
        *("First", "Second", "outside", "elsewhere", "first")
    ]


@pytest.mark.parametrize(
    ("module", "error"),
    [
        ("missing", r"--middleware missing: ModuleNotFoundError.*; expected an importable module"),
        ("empty", r"--middleware empty: it declares none; expected functions with @around"),
        ("broken", r"--middleware broken: ZeroDivisionError.*; expected an importable module"),
    ],
)
async def test_a_module_without_any_is_named(site: Path, cell: Cell, module: str, error: str) -> None:
    (site / "empty.py").write_text("")
    (site / "broken.py").write_text("1 / 0")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "homa_workers", "openai", "--middleware", module),
        env=os.environ | cell.environment() | {"PYTHONPATH": str(site)},
        cwd=cell.home,
        stderr=PIPE,
    )
    _, told = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == USAGE
    assert re.search(error, told.decode())


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("missing", r"middleware 'mine' of homa-acme 1\.2 cannot be loaded from \w+:missing: AttributeError"),
        ("number", r"middleware 'mine' of homa-acme 1\.2 is 7; expected a Middleware class or a function"),
        ("nothing", r"middleware \w+\.nothing made 7; expected a homa_workers\.middleware\.Middleware"),
        ("broken", r"middleware \w+\.broken cannot be made: OSError\('no such file'\)"),
    ],
)
async def test_one_that_is_wrong_is_skipped_or_keeps_the_worker_from_starting(
    site: Path, cell: Cell, value: str, error: str
) -> None:
    install(site, mine=value, other="First")
    with capture_logs() as told:
        process = await cell.process()
    assert "First" in [type(middleware).__name__ for middleware in process.middleware[0]._all]
    (what,) = [line["what"] for line in told if line["event"] == "plugin skipped"]
    assert re.search(error, what)
    with pytest.raises(ConfigError, match=error):
        await cell.process(HOMA_PLUGINS="fatal")


async def test_none_is_loaded_where_the_settings_say_so(site: Path, cell: Cell) -> None:
    install(site, mine="First")
    process = await cell.process(HOMA_PLUGINS="none")
    assert "First" not in [type(middleware).__name__ for middleware in process.middleware[0]._all]


async def test_the_worker_process_says_which_one_it_is(site: Path, cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, mine="missing")
    monkeypatch.setenv("HOMA_PLUGINS", "fatal")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "homa_workers", "openai"),
        env=os.environ | cell.environment() | {"PYTHONPATH": str(site)},
        cwd=cell.home,
        stderr=PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == USAGE
    assert "middleware 'mine' of homa-acme 1.2 cannot be loaded" in said.decode()
    assert "Traceback" not in said.decode()


async def test_one_that_does_not_start_is_named_and_those_before_it_are_stopped() -> None:
    told: list[str] = []

    class Started(Middleware):
        async def start(self, worker: WorkerIdentity) -> None:
            told.append("started")

        async def stop(self) -> None:
            told.append("stopped")
            await asyncio.sleep(0)
            raise RuntimeError("not even that")

    class Unstartable(Middleware):
        async def start(self, worker: WorkerIdentity) -> None:
            raise OSError("no such host")

    chain = MiddlewareChain([Started(), Unstartable(), Started()], WorkerLog("w"))
    with pytest.raises(ConfigError, match=r"middleware Unstartable of .*test_loading did not start: OSError\("):
        await chain.start(WorkerIdentity("w", "openai"))
    assert told == ["started", "stopped"]


def test_a_middleware_that_is_not_there_is_missed() -> None:
    with pytest.raises(LookupError, match="no Third among"):
        MiddlewareChain([], WorkerLog("w")).find(Third)
