"""Fixtures for pytest, there wherever `homa-queue` is installed; nothing of Homa is loaded before the first is used.

`homa_fake` makes a fake fleet for one test, `homa_store` is the address of a store for tests, `homa_simulator` is
simulated providers over HTTP, for tests that run workers of their own or call a provider's SDK.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from homa.testing.fakes import FakeHoma
    from homa_workers.simulator.thread import SimulatorThread


@pytest.fixture
def homa_fake() -> Iterator[Callable[..., FakeHoma]]:
    """Makes a fake fleet, with the arguments of `homa.testing.fake`, that ends with the test."""
    from homa.testing.fakes import fake

    with ExitStack() as stack:

        def make(*args: Any, **options: Any) -> FakeHoma:
            return stack.enter_context(fake(*args, **options))

        yield make


@pytest.fixture
def homa_store() -> str:
    """The address of a store that all tests of this process share; take a namespace of your own in it."""
    from homa.testing.stores import test_store

    return test_store()


@pytest.fixture
def homa_simulator() -> Iterator[SimulatorThread]:
    """Simulated providers over HTTP: `url`, `configure(…)`, `script(…)`, `bill()`."""
    from homa.supervision.requirements import require_workers

    require_workers("The simulator", "local")
    from homa_workers.simulator.thread import SimulatorThread

    with SimulatorThread() as simulator:
        yield simulator
