"""A job's time, part by part, with the money of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homa.gateway.dashboard import wording
from homa_shared.model.records import Attempt, Job, State
from homa_shared.model.waits import Wait
from homa_shared.store.reads import JobView


@dataclass(frozen=True, slots=True)
class Part:
    """What a job did for a while."""

    #: w: it waited; s: a call was under way; g: its answer was streamed; x: a call that failed.
    kind: str
    name: str
    from_ms: int
    to_ms: int
    nano_usd: int
    unresolved_nano_usd: int
    detail: str

    @property
    def took_ms(self) -> int:
        return max(0, self.to_ms - self.from_ms)


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All parts, one behind the other."""

    parts: list[Part]
    from_ms: int
    to_ms: int

    @property
    def span_ms(self) -> int:
        return max(1, self.to_ms - self.from_ms)

    def left(self, part: Part) -> float:
        """Where a part begins, as a share of the whole."""
        return min(1.0, max(0.0, (part.from_ms - self.from_ms) / self.span_ms))

    def width(self, part: Part) -> float:
        return min(1.0 - self.left(part), part.took_ms / self.span_ms)

    def waited_ms(self) -> int:
        return sum(part.took_ms for part in self.parts if part.kind == "w")

    def called_ms(self) -> int:
        return sum(part.took_ms for part in self.parts if part.kind != "w")


def waterfall(view: JobView, marks: Sequence[tuple[int, str]], now_ms: int, waits_for: str = "") -> Waterfall:
    """The parts of a job.

    Args:
        marks: of its stream: when calls were sent and their first text came.
        now_ms: until when a live job's last part has lasted.
        waits_for: what holds a live job now, for people.
    """
    job = view.job
    parts: list[Part] = []
    before, reached_ms = None, job.submitted_ms
    for attempt in view.attempts:
        started_ms = max(attempt.started_ms or attempt.ended_ms, reached_ms)
        if started_ms > reached_ms:
            parts.append(_wait(reached_ms, started_ms, before, attempt.waits))
        parts += _call(attempt, started_ms, marks)
        before, reached_ms = attempt, max(started_ms, attempt.ended_ms)
    end_ms = job.ended_ms or max(now_ms, reached_ms)
    parts += _rest(job, reached_ms, end_ms, before, waits_for)
    return Waterfall(parts, job.submitted_ms, max(end_ms, reached_ms))


def _wait(from_ms: int, to_ms: int, before: Attempt | None, waits: Sequence[Wait]) -> Part:
    behind = f"behind attempt {before.number}: {before.outcome}" if before is not None else ""
    held = ", ".join(f"{wording.took(wait.took_ms)} for {wait.words}" for wait in waits)
    return Part("w", "Waited", from_ms, to_ms, 0, 0, "; ".join(filter(None, (behind, held))) or "in the queue")


def _call(attempt: Attempt, started_ms: int, marks: Sequence[tuple[int, str]]) -> list[Part]:
    """The parts of an attempt: up to its first text, where its stream tells of that, and from there to its end."""
    name = f"{attempt.number} Sent to {attempt.target.partition(':')[0]}" if attempt.number else "Passed over"
    good = attempt.outcome in ("succeeded", "answered")
    said = "; ".join(filter(None, (attempt.target, "" if good else attempt.outcome, attempt.error)))
    first = next((at for at, what in marks if what == "first token" and started_ms <= at <= attempt.ended_ms), None)
    money = (attempt.nano_usd, attempt.unresolved_nano_usd)
    if first is None:
        return [Part("s" if good else "x", name, started_ms, attempt.ended_ms, *money, said)]
    return [
        Part("s", name, started_ms, first, 0, 0, f"{said}, to the first token"),
        Part("g" if good else "x", "First to last token", first, attempt.ended_ms, *money, "with all of its cost"),
    ]


def _rest(job: Job, reached_ms: int, end_ms: int, before: Attempt | None, waits_for: str) -> list[Part]:
    """What a job does now, or did from its last attempt to its end."""
    started_ms = job.raw.get("as")
    if job.state is State.RUNNING and isinstance(started_ms, int):
        waited = [_wait(reached_ms, started_ms, before, job.waits)] if started_ms > reached_ms else []
        now = Part("s", f"{job.attempt} In flight", started_ms, end_ms, 0, 0, f"{job.target}, on {job.worker or '?'}")
        return [*waited, now]
    if end_ms <= reached_ms:
        return []
    if job.ended:
        # From the reply to its settlement; or all of it, where no call was made.
        if before is not None:
            return [Part("s", "Settled", reached_ms, end_ms, 0, 0, str(job.state))]
        return [_wait(reached_ms, end_ms, None, job.waits)]
    return [Part("w", "Waits", reached_ms, end_ms, 0, 0, waits_for)]
