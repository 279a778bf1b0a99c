"""The lines of a batch as OpenAI batch output lines: what a results file of `homa run` holds."""

from __future__ import annotations

from typing import BinaryIO

from homa.cli.context import Session
from homa.client.batch_flows import Line
from homa.client.results import Reply
from homa.client.sync import Homa
from homa.files.result_line import Answer, Failure, HomaPart, line_bytes, result_line
from homa.runs.result_lines import known_costs
from homa_shared.model.errors import ResultTimeout
from homa_shared.store import reads


def write_results(here: Session, batch: str, output: BinaryIO, *, after: int, follow: bool) -> int:
    """Writes lines that have ended, in the order in which they ended; returns the position behind the last one.

    A line that was retried is written once, with the outcome of its last job, unless that comes while it is followed.

    Args:
        after: the position to begin behind.
        follow: go on until the batch is complete.
    """
    latest = here.store.run(reads.batch_retried(here.keys, batch))
    position = after
    with Homa(settings=here.settings) as homa:
        try:
            for line in homa.batch(batch).results(after, timeout=None if follow else 0):
                position = line.position
                if not _superseded(batch, line.job_id, latest):
                    output.write(line_bytes(result_line(line.custom_id, _outcome(here, line))))
                    if follow:
                        output.flush()
        except ResultTimeout:
            pass  # nothing more has ended so far
    return position


def _superseded(batch: str, job: str, latest: dict[int, str]) -> bool:
    """Whether a line has a later job than this one."""
    prefix, _, line = job.rpartition("-")
    if prefix == batch and line.isdigit():
        return latest.get(int(line), job) != job
    return job not in latest.values()


def _outcome(here: Session, line: Line) -> Answer | Failure:
    ended = line.reply or line.failure
    assert ended is not None
    cost = (
        ended.cost_nano_usd if isinstance(ended, Reply) else here.store.run(known_costs(here.keys, [ended.job_id]))[0]
    )
    homa = HomaPart(
        job=ended.job_id,
        provider=ended.provider,
        model=ended.model,
        attempts=ended.attempts,
        cost_nano_usd=cost,
        cached=isinstance(ended, Reply) and ended.cached,
        queued_ms=ended.queued_ms,
        latency_ms=ended.latency_ms,
    )
    if isinstance(ended, Reply):
        return Answer(ended.body, homa, ended.request_id)
    return Failure(ended.kind, ended.message, homa, ended.request_id, ended.status)
