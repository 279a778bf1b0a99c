"""A worker process of its own collects garbage rarely; one that is embedded leaves the program's collector alone."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from homa_workers.process.garbage import YOUNG
from homa_workers.process.main import main
from tests.worker.cell import Cell


@pytest.fixture
def thresholds() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    yield before
    gc.enable()
    gc.unfreeze()
    gc.set_threshold(*before)


def test_the_command_collects_rarely_once_all_is_made(
    cell: Cell, thresholds: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cell.environment().items():
        monkeypatch.setenv(name, value)
    # There is no such batch: the worker drains at once.
    gc.disable()  # as the command does while it starts
    assert main(["openai", "--for-batch", "b0"]) == 0
    assert gc.get_threshold()[0] == YOUNG > thresholds[0]
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


async def test_workers_in_a_program_of_somebody_elses_leave_it_alone(
    cell: Cell, thresholds: tuple[int, int, int]
) -> None:
    await cell.worker()
    assert (gc.get_threshold(), gc.get_freeze_count()) == (thresholds, 0)
