"""What jobs of a batch came to, written to its files page by page.

1. A page of the jobs that have ended is read, and its lines are written: into parts that belong to nothing yet.
2. One script notes these parts, counts the lines and moves the place behind them, unless somebody was faster.

So each line is answered once, wherever a gateway dies: parts of a page that was not noted go with their file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from homa.client.outcomes import outcomes, read_ends
from homa.client.results import Failure, Reply
from homa.drivers.aio import AwaitingDriver
from homa.drivers.effects import Flow, ask_patiently
from homa.files.result_line import line_bytes
from homa.gateway.batches.checking import read_line
from homa.gateway.batches.line_format import BadLine, LineFormat, Unsent
from homa.gateway.batches.lines import FileLine, lines_of
from homa.gateway.files.kept_files import KeptFiles
from homa_shared.model.ids import batch_job_id
from homa_shared.store import reads
from homa_shared.store.gateway_batches import GatewayBatch
from homa_shared.store.gateway_lines import Answers, Moved, answer_jobs, answer_unsent
from homa_shared.store.keys import Keys


class ResultWriter:
    """Writes the answers of one batch."""

    def __init__(self, keys: Keys, driver: AwaitingDriver, files: KeptFiles, form: LineFormat) -> None:
        self._keys, self._driver, self._files, self._form = keys, driver, files, form

    async def write_ended(self, batch: GatewayBatch, *, leave: bool) -> tuple[Moved, int]:
        """Writes a page of the jobs that have ended.

        Args:
            leave: whether jobs leave the store as soon as they are written.

        Returns:
            What became of it, and how many jobs it was; 0: none is left.
        """
        place = 0 if leave else batch.written
        ids = await self._driver.run(
            ask_patiently(reads.batch_done(self._keys, batch.id, place, self._form.page_lines))
        )
        if not ids:
            return Moved.OK, 0
        ended = await self._driver.run(_outcomes(self._keys, [name for name in ids if _is_line(batch.id, name)]))
        names = await self._names(batch, ended)
        page = _Page(self._form)
        for outcome in ended:
            page.add(outcome.custom_id or names.get(outcome.job_id, ""), outcome)
        answers = await self._store(batch, page)
        moving = answer_jobs(
            self._keys, batch.id, batch.written, batch.written + len(ids), answers, leave=ids if leave else None
        )
        return await self._driver.run(ask_patiently(moving)), len(ids)

    async def write_unsent(self, batch: GatewayBatch, lines: Sequence[FileLine], why: Unsent) -> Moved:
        """Writes that lines behind the cursor never became jobs."""
        page = _Page(self._form)
        for line in lines:
            page.add_unsent(self._name(line), why)
        answers = await self._store(batch, page)
        to = batch.cursor + len(lines)
        moving = answer_unsent(self._keys, batch.id, batch.cursor, to, lines[-1].end, answers)
        return await self._driver.run(ask_patiently(moving))

    async def _names(self, batch: GatewayBatch, ended: Sequence[Reply[Any] | Failure]) -> Mapping[str, str]:
        """Ids of lines whose jobs the store does not hold any more: somebody purged them."""
        lost = {outcome.job_id for outcome in ended if not outcome.custom_id}
        names: dict[str, str] = {}
        if lost:
            number = 0
            async for line in lines_of(self._files, batch.input):
                if (job_id := batch_job_id(batch.id, number)) in lost:
                    names[job_id] = self._name(line)
                number += 1
        return names

    def _name(self, line: FileLine) -> str:
        try:
            return read_line(self._form, line.data).custom_id
        except BadLine:
            return ""

    async def _store(self, batch: GatewayBatch, page: _Page) -> Answers:
        answers = Answers(counts=dict(page.counts))
        for name, data in (("output", page.output), ("error", page.error)):
            if data:
                writer = self._files.writer_of(batch.raw[name])
                await writer.add(b"".join(data))
                setattr(answers, name, await writer.close())
        return answers


class _Page:
    """Lines of answers, and what they count."""

    def __init__(self, form: LineFormat) -> None:
        self._form = form
        self.output: list[bytes] = []
        self.error: list[bytes] = []
        self.counts: Counter[str] = Counter()

    def add(self, custom_id: str, outcome: Reply[Any] | Failure) -> None:
        if isinstance(outcome, Reply):
            self.output.append(line_bytes(self._form.answered(custom_id, outcome)))
            self._count("succeeded")
            self._count_usage(outcome)
        else:
            self._put_error(self._form.failed(custom_id, outcome))
            self._count("failed" if outcome.kind == "gone" else outcome.state.value)

    def add_unsent(self, custom_id: str, why: Unsent) -> None:
        self._put_error(self._form.unsent(custom_id, why))
        self._count(why.value)

    def _put_error(self, line: Mapping[str, Any]) -> None:
        (self.error if self._form.has_error_file else self.output).append(line_bytes(line))

    def _count(self, how: str) -> None:
        self.counts["answered"] += 1
        self.counts[f"n.{how}"] += 1

    def _count_usage(self, reply: Reply[Any]) -> None:
        usage = reply.usage
        self.counts["u.input"] += usage.input_tokens
        self.counts["u.cached"] += usage.cached_tokens
        self.counts["u.output"] += usage.output_tokens
        self.counts["u.reasoning"] += usage.reasoning_tokens


def _is_line(batch_id: str, job_id: str) -> bool:
    """Whether it is a line's own job: one that retries it by hand answers nothing here, its line has its answer."""
    return job_id.startswith(f"{batch_id}-")


def _outcomes(keys: Keys, job_ids: Sequence[str]) -> Flow[list[Reply[Any] | Failure]]:
    if not job_ids:
        return []
    found = yield from ask_patiently(read_ends(keys, job_ids))
    return (yield from outcomes(keys, found))
