"""Where middleware's hooks are called."""

from __future__ import annotations

import asyncio
from typing import Any

import dramatiq

from homa_shared.broker import HomaBroker
from tests.dramatiq_patterns.conftest import Start
from tests.fixtures.store import eventually


class Watch(dramatiq.Middleware):
    """Notes of each hook whether it was called on an event loop."""

    def __init__(self) -> None:
        self.on_a_loop: dict[str, bool] = {}

    def _note(self, hook: str) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.on_a_loop[hook] = False
        else:
            self.on_a_loop[hook] = True

    def before_worker_boot(self, broker: Any, worker: Any) -> None:
        self._note("before_worker_boot")

    def after_worker_boot(self, broker: Any, worker: Any) -> None:
        self._note("after_worker_boot")

    def before_worker_shutdown(self, broker: Any, worker: Any) -> None:
        self._note("before_worker_shutdown")

    def after_worker_shutdown(self, broker: Any, worker: Any) -> None:
        self._note("after_worker_shutdown")

    def before_process_message(self, broker: Any, message: Any) -> None:
        self._note("before_process_message")

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self._note("after_process_message")

    def after_ack(self, broker: Any, message: Any) -> None:
        self._note("after_ack")


def test_none_is_called_on_the_event_loop(broker: HomaBroker, start: Start) -> None:
    """What hooks use, such as Django's database connections, may refuse to be used on one."""
    watch = Watch()
    broker.add_middleware(watch)
    ran: list[str] = []

    @dramatiq.actor(queue_name="a")
    def sync() -> None:
        ran.append("sync")

    @dramatiq.actor(queue_name="a")
    async def coroutine() -> None:
        ran.append("coroutine")

    sync.send()
    coroutine.send()
    worker = start()
    eventually(lambda: len(ran) == 2)
    worker.stop()
    hooks = ("worker_boot", "worker_shutdown", "process_message")
    expected = {f"{when}_{hook}": False for hook in hooks for when in ("before", "after")}
    assert watch.on_a_loop == expected | {"after_ack": False}
