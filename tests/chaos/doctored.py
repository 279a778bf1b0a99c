"""`python -m tests.chaos.doctored …`: a worker as `python -m homa_workers …` is one, with a misfortune built in.

| variable | |
|---|---|
| `CHAOS_CLOCK_S` | its clock is wrong by so many seconds |
| `CHAOS_LETHAL` | a prompt with this text kills the process when its reply has arrived |
| `CHAOS_WORKERS` | so many workers run in the process instead of one |
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

#: Applied before anything is imported that might keep a reference to the right clock.
_RIGHT = time.time
_WRONG_BY_S = float(os.environ.get("CHAOS_CLOCK_S", "0"))
if _WRONG_BY_S:
    time.time = lambda: _RIGHT() + _WRONG_BY_S

from homa_workers.process import main as worker_main  # noqa: E402
from homa_workers.process.build import WorkerProcess, build  # noqa: E402
from homa_workers.providers.openai.chat import OpenAIProvider  # noqa: E402


def deadly(text: str) -> None:
    """Lets replies to prompts with this text kill the process before anybody is told of them."""
    complete = OpenAIProvider.complete

    async def lethal(self: OpenAIProvider, call: Any) -> Any:
        completion = await complete(self, call)
        if text in str(call.messages[-1]["content"]):
            os.kill(os.getpid(), signal.SIGKILL)
        return completion

    OpenAIProvider.complete = lethal  # type: ignore[method-assign]


def crowded(count: int) -> None:
    """Lets the process run so many workers, each with a store connection and a provider client of its own."""

    async def build_all(*args: Any, broker: Any = None, **options: Any) -> WorkerProcess:
        whole = await build(*args, broker=broker, **options)
        for _ in range(count - 1):
            more = await build(*args, **options)
            whole.workers += more.workers
            whole.providers += more.providers
        return whole

    worker_main.build = build_all  # type: ignore[attr-defined]


if __name__ == "__main__":
    if lethal_text := os.environ.get("CHAOS_LETHAL"):
        deadly(lethal_text)
    if workers := int(os.environ.get("CHAOS_WORKERS", "1")) - 1:
        crowded(workers + 1)
    sys.exit(worker_main.main())
