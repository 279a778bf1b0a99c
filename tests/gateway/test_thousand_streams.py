"""A thousand streams, with the gateway and one of two workers killed in their midst: nothing that was accepted is lost,
and nothing is paid for twice unseen. Minutes long: `pytest -m chaos tests/gateway/test_thousand_streams.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import urllib.request
from typing import Any

import pytest

from tests.chaos.tally import take_tally
from tests.fixtures.store import eventually
from tests.gateway import test_killed
from tests.gateway.conftest import Cell
from tests.gateway.test_killed import again

STREAMS, WORDS = 1000, 60
#: Until all have begun, on a machine that does something else, too.
LONG_S = 600.0


@pytest.mark.chaos
def test_a_thousand_streams_survive_the_death_of_gateway_and_worker(
    bare_cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = bare_cell
    monkeypatch.setattr(test_killed, "STREAMS", STREAMS)
    monkeypatch.setattr(test_killed, "PATIENCE_S", LONG_S)
    monkeypatch.setattr(test_killed, "chat", _chat)
    cell.env["HOMA_PROVIDERS__OPENAI__CONCURRENCY"] = str(STREAMS)
    cell.start_worker("openai")
    cell.start_worker("openai")
    cell.start_gateway()
    cell.simulator.configure(reply="words", output_tokens=WORDS, token_ms=9000.0)
    victim = cell.workers.pop()
    first = asyncio.run(_until_killed(cell, victim.pid))
    victim.wait()
    assert victim.stdin is not None
    victim.stdin.close()
    cell.close_clients()
    cell.stop_gateway()
    # What is called anew need not be slow.
    cell.simulator.configure(token_ms=1.0)
    cell.start_gateway()
    cell.start_worker("openai")
    second = asyncio.run(again(cell))
    jobs = [job for job, _ in first]
    assert jobs == [job for job, _ in second]
    assert len(set(jobs)) == STREAMS
    assert all(text for _, text in second)
    eventually(lambda: all(cell.state(job) == "succeeded" for job in jobs[:10]))
    bill = _simulator(cell, "/bill/charges")
    for charge in bill["charges"]:
        charge["marker"] = jobs[int(charge["marker"].removeprefix("kill-"))]
    tally = take_tally(cell.store, jobs, bill, _simulator(cell, "/stats"))
    sys.stderr.write(f"\n{tally}\n")
    assert not tally.broken()
    assert (tally.succeeded, tally.lost, tally.unseen) == (STREAMS, 0, 0)
    # The calls of the worker that was killed, and no others.
    assert 0 < tally.called_twice <= tally.unresolved


def _chat(number: int, *, stream: bool) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"story {number}"}]
    return {
        "model": test_killed.MODEL,
        "messages": messages,
        "max_tokens": 400,
        "stream": stream,
        "user": f"kill-{number}",
    }


async def _until_killed(cell: Cell, worker: int) -> list[tuple[str, str]]:
    """As for the gateway alone, with a worker that dies at the same moment."""
    gateway = cell.gateway
    assert gateway is not None
    kill = gateway.kill

    def both() -> None:
        os.kill(worker, signal.SIGKILL)
        kill()

    gateway.kill = both  # type: ignore[method-assign]
    return await test_killed.until_killed(cell)


def _simulator(cell: Cell, path: str) -> Any:
    with urllib.request.urlopen(cell.simulator.url + path) as answer:
        return json.load(answer)
