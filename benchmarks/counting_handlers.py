"""Event handlers of a worker under measurement: one counts events, one notes how old each is."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import homa
from homa.events import JobCancelled, JobSucceeded

_EVENTS = int(os.environ["BENCH_EVENTS"])
_NOTES = Path(os.environ["BENCH_NOTES"])
_ages_ms: list[float] = []
_began_s: list[float] = []


@homa.on(JobSucceeded, name="count", since="-")
async def count(event: JobSucceeded) -> None:
    _began_s.append(time.perf_counter())
    if len(_began_s) == _EVENTS:
        _note("seconds", _began_s[-1] - _began_s[0])


@homa.on(JobCancelled, name="age", since="-")
async def age(event: JobCancelled) -> None:
    _ages_ms.append(time.time() * 1000 - int(event.id.partition("-")[0]))
    if len(_ages_ms) == _EVENTS:
        _note("ages_ms", sorted(_ages_ms))


def _note(what: str, value: object) -> None:
    """Written whole: who waits for the file reads all of it."""
    part = _NOTES.with_suffix(".part")
    part.write_text(json.dumps({what: value}))
    part.rename(_NOTES)
