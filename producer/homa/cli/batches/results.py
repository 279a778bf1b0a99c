"""The lines of a batch as OpenAI batch output lines: what a results file of `homa run` holds."""

from __future__ import annotations

from contextlib import suppress
from typing import BinaryIO

from homa.client.batch_flows import BatchFlows
from homa.client.batch_lines import LinePage
from homa.client.session import Session
from homa.drivers.effects import Emit, Flow
from homa.files.result_line import line_bytes
from homa.runs.result_lines import result_lines
from homa.runs.resume_batch import ORDER
from homa_shared.model.errors import ResultTimeout
from homa_shared.store import reads


def write_results(here: Session, batch: str, output: BinaryIO, *, after: int, follow: bool) -> int:
    """Writes lines that have ended, in the order in which they ended; returns the position of the last one.

    A line that was retried is written once, with the outcome of its last job, unless that comes while it is followed.

    Args:
        after: the position after which to begin.
        follow: go on until the batch is complete.
    """
    latest = here.store.run(reads.batch_retried(here.keys, batch))
    view = here.store.run(reads.batch(here.keys, batch))
    order = "" if view is None else view.raw.get(ORDER, "")

    def take(page: LinePage) -> Flow[None]:
        wanted = [line for line in page.lines if not _superseded(batch, line.job_id, latest)]
        yield Emit((page.cursor, (yield from result_lines(here.keys, wanted, order))))

    position = after
    with suppress(ResultTimeout):  # nothing more has ended so far
        following = BatchFlows(here.keys, batch).follow(after, None if follow else 0, take)
        for cursor, lines in here.driver.iterate(following):
            output.writelines(line_bytes(line.document) for line in lines)
            position = cursor
            if follow:
                output.flush()
    return position


def _superseded(batch: str, job: str, latest: dict[int, str]) -> bool:
    """Whether a line has a later job than this one."""
    prefix, _, line = job.rpartition("-")
    if prefix == batch and line.isdigit():
        return latest.get(int(line), job) != job
    return job not in latest.values()
