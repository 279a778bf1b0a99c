"""What the lines of a batch are called."""

from __future__ import annotations

from collections.abc import Sequence

from homa_shared.model.ids import batch_job_id
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, read, text


def custom_ids(keys: Keys, batch_id: str, start: int, count: int) -> Op[list[str]]:
    """`custom_id`s of lines, from the `start`-th on; numbers that no line has are left out."""
    names = [batch_job_id(batch_id, line) for line in range(start, start + count)]
    commands = tuple(("HGET", keys.job(name), "ci") for name in names)
    return read(commands, lambda replies: [text(found) for found in replies if found is not None])


def custom_ids_of(keys: Keys, jobs: Sequence[str]) -> Op[list[str]]:
    """`custom_id`s of jobs; empty where there is none."""
    commands = tuple(("HGET", keys.job(job), "ci") for job in jobs)
    return read(commands, lambda replies: ["" if found is None else text(found) for found in replies])
