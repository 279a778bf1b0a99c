"""Worker processes that are killed soon: forked from one that has imported all that a worker needs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

_SERVER = get_context("forkserver")


def _work(environment: Mapping[str, str], arguments: list[str]) -> None:
    from homa_workers.process.main import main

    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    raise SystemExit(main(arguments))


@contextmanager
def crew(environment: Mapping[str, str], *arguments: str) -> Iterator[Crew]:
    """Starts workers until it is left; those that live are killed then."""
    _SERVER.set_forkserver_preload(["homa_workers.process.main", "openai"])
    found = Crew(dict(environment), list(arguments))
    try:
        yield found
    finally:
        for worker in found.workers:
            worker.kill()
            worker.join()


class Crew:
    def __init__(self, environment: dict[str, str], arguments: list[str]) -> None:
        self._environment, self._arguments = environment, arguments
        self.workers: list[BaseProcess] = []

    def start(self) -> None:
        worker = _SERVER.Process(target=_work, args=(self._environment, self._arguments), daemon=True)
        worker.start()
        self.workers.append(worker)

    def kill(self, place: int) -> None:
        worker = self.workers.pop(place)
        assert worker.is_alive(), f"it ended by itself with {worker.exitcode}"
        worker.kill()
        worker.join()
