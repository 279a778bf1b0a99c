"""A simulator in a thread with an event loop of its own, for synchronous tests and scripts."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

from homa_workers.loop_thread import LoopThread
from homa_workers.simulator.config import SimulatorConfig
from homa_workers.simulator.server import Simulator


class SimulatorThread(LoopThread):
    """Simulated providers beside this thread.

    ```python
    with SimulatorThread(SimulatorConfig(limits=Limits(rpm=60))) as simulator:
        client = OpenAI(base_url=f"{simulator.url}/openai/v1", api_key="any", max_retries=0)
    ```

    Args:
        config: behaviour, as for Simulator.
        options: the other arguments of Simulator.
    """

    def __init__(self, config: SimulatorConfig | None = None, **options: Any) -> None:
        super().__init__("homa-simulator")
        self._config = config
        self._options = options
        self.simulator: Simulator

    @property
    def url(self) -> str:
        return self.simulator.url

    def configure(self, **changes: Any) -> None:
        """Change settings; in force when this returns."""
        self._call(lambda: self.simulator.configure(**changes))

    def script(self, *faults: str) -> None:
        """Give the next admitted requests these faults; in force when this returns."""
        self._call(lambda: self.simulator.script(*faults))

    def bill(self) -> dict[str, Any]:
        """What `GET /bill` answers."""
        answer: dict[str, Any] = self._call(self.simulator.bill.as_json)
        return answer

    def stats(self) -> dict[str, Any]:
        """What `GET /stats` answers."""
        engine = self.simulator.engine
        answer: dict[str, Any] = self._call(lambda: engine.stats.as_json(engine.limits.peaks()))
        return answer

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _call(self, act: Any) -> Any:
        async def inside() -> Any:
            return act()

        return self._await(inside())

    def _end(self) -> None:
        self._stopping.set()

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        self.simulator = Simulator(self._config, **self._options)
        async with self.simulator:
            self._started.set()
            await self._stopping.wait()
