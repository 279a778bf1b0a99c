"""What the store tells about jobs: record, history, request, reply; pages of them; and what holds one back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from homa_shared.calls.batch_beginning import name_of_beginning, put_together
from homa_shared.model.errors import SealedPayload
from homa_shared.model.record_fields import short
from homa_shared.model.records import Attempt, Job, State, Step, decode_fields, job_from_fields
from homa_shared.model.waits import Wait
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, number, read, text
from homa_shared.store.reads.job_history import attempt_of, step_of, winner_of
from homa_shared.store.sealing import Kind, opened, opened_reply

#: Where jobs of a state are listed from, in the order in which a listing of all states goes through them.
_SOURCES: dict[str, tuple[State, ...]] = {
    "running": (State.RUNNING,),
    "queued": (State.QUEUED,),
    "waiting": (State.WAITING,),
    "due": (State.DUE,),
    "ended": (State.FAILED, State.CANCELLED, State.EXPIRED),
    "succeeded": (State.SUCCEEDED,),
}
#: Lists of live jobs, and the two of ended ones: each of those is newest first.
LIVE_LISTS = ("running", "queued", "waiting", "due")
ENDED_LISTS = ("ended", "succeeded")


@dataclass(frozen=True, slots=True)
class JobView:
    """All that the store knows of a job."""

    job: Job
    #: In order, with targets that it was diverted from and, for a success, the attempt whose reply ended it.
    attempts: list[Attempt]
    #: The outcome as JSON; resolved, where it came from an equal job. None while the job lives.
    reply: bytes | None
    #: None once it is no longer needed.
    request: bytes | None
    #: Paid replies before the one that ended it, in order; their costs are part of their attempts'.
    steps: list[Step] = field(default_factory=list)
    #: Why request, reply or metadata are missing although the store has them: they are sealed; else empty.
    sealed: str = ""

    def waits(self) -> Iterator[tuple[int | None, Wait]]:
        """What held it for a second or longer, each with the attempt that came then; None: none has ended since."""
        for attempt in self.attempts:
            for wait in attempt.waits:
                yield attempt.number, wait
        if self.job.raw.get(short("winner")) is None:
            for wait in self.job.waits:
                yield None, wait


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs of a listing. A page may be short, even empty, and still have a next one."""

    jobs: list[Job]
    #: Where the next page begins; None at the end.
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Hold:
    """One thing that stands between a job and its call."""

    #: limit, breaker, budget, pause, cancel, leader, due, deadline, backlog or running; `homa jobs why` adds settings.
    kind: str
    #: The scope, budget instance, batch, queue, leader or worker.
    name: str
    #: Until it may pass, ms; None where nobody knows.
    wait_ms: int | None
    detail: str
    #: Which limit there is to wait for: rpm, tpm, itpm, otpm, rpd, concurrency or frozen; empty where it is none.
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Why:
    """What holds a job: the first hold is what stands in its way now; none means that it only needs a worker."""

    state: State
    holds: list[Hold]


def job(keys: Keys, job_id: str) -> Op[JobView | None]:
    """A job with its history, request and reply; None when the store holds no such job.

    What is sealed by a key that is not here is left out, and the view says so.
    """
    script = call(keys, "replies", (job_id,), lambda reply: reply)
    commands = (
        ("HGETALL", keys.job(job_id)),
        ("HGETALL", keys.attempts(job_id)),
        ("GET", keys.request(job_id)),
        *script.commands,
    )

    def ask_beginning(replies: list[Any]) -> Op[JobView | None] | None:
        request, batch = replies[2], _raw(replies[0]).get(short("batch").encode())
        name = None if request is None or batch is None else name_of_beginning(request)
        if name is None:
            return None
        command = ("HGET", keys.batch_beginnings(text(batch)), name)

        def whole(answer: list[Any]) -> JobView | None:
            return parse([*replies[:2], put_together(request, answer[0]) if answer[0] else None, replies[3]])

        return read((command,), whole)

    def parse(replies: list[Any]) -> JobView | None:
        record, history, request, answers = replies
        fields = decode_fields(_raw(record))
        if not fields:
            return None
        found = job_from_fields(job_id, fields)
        unopened: list[SealedPayload] = []

        def possible(open_: Callable[[], bytes | None]) -> bytes | None:
            try:
                return open_()
            except SealedPayload as error:
                unopened.append(error)
                return None

        reply = possible(lambda: _resolve(keys, *answers[0]))
        shown = possible(lambda: None if request is None else opened(keys, Kind.REQUEST, request))
        told = {name.decode(): value for name, value in _raw(history).items()}
        rows = {name: value for name, value in told.items() if not name.startswith(("step.", "dup."))}
        attempts = [attempt_of(keys, job_id, name, orjson.loads(value)) for name, value in rows.items()]
        winner = winner_of(found, reply, attempts)
        if winner is not None:
            attempts = [a for a in attempts if a.number != winner.number] + [winner]
        attempts.sort(key=lambda a: (a.ended_ms, a.number))
        steps = [step_of(name, orjson.loads(value)) for name, value in told.items() if name.startswith("step.")]
        if "md" in fields:
            metadata = possible(lambda: opened_metadata(keys, fields["md"]))
            found.raw["md"] = (metadata or b"").decode()
        why = str(unopened[0]) if unopened else ""
        return JobView(found, attempts, reply, shown, sorted(steps, key=lambda s: s.number), why)

    return Op(commands, parse, script.script, ask_beginning)


def state(keys: Keys, job_id: str) -> Op[State | None]:
    """A job's state; None when the store holds no such job."""
    return read((("HGET", keys.job(job_id), short("state")),), lambda r: State(text(r[0])) if r[0] else None)


def reply(keys: Keys, job_id: str) -> Op[bytes | None]:
    """A job's outcome as JSON, unresolved: `{"cached": source}` where an equal job answered."""
    return read((("GET", keys.reply(job_id)),), lambda r: opened_reply(keys, r[0]))


def replies(keys: Keys, job_ids: Sequence[str]) -> Op[list[bytes | None]]:
    """Outcomes of several jobs, unresolved."""
    if not job_ids:
        return Op((), lambda _: [])
    command = ("MGET", *(keys.reply(job_id) for job_id in job_ids))
    return read((command,), lambda r: [opened_reply(keys, raw) for raw in r[0]])


def resolved_replies(keys: Keys, job_ids: Sequence[str]) -> Op[list[bytes | None]]:
    """Outcomes of several jobs (a few hundred at most a call), each with the reply that it refers to put in its place.

    A reply from the cache gets `cached` (the job that was called), the job's own custom id and a cost of nothing. None
    where there is no outcome yet, or its retention has ended.
    """
    if not job_ids:
        return Op((), lambda _: [])
    return call(keys, "replies", tuple(job_ids), lambda answers: [_resolve(keys, *answer) for answer in answers])


def jobs(
    keys: Keys,
    *,
    state: State | str | None = None,
    batch: str | None = None,
    queue: str | None = None,
    provider: str | None = None,
    tenant: str | None = None,
    tag: str | None = None,
    template: str | None = None,
    cause: str | None = None,
    lists: Sequence[str] | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Op[Page]:
    """A page of jobs: live ones from their indexes, ended ones newest first.

    Args:
        state: only these; without it the live ones come first.
        batch: only its lines, in the order of the input.
        provider: only jobs whose present target is one of its models.
        tag: `key=value`, or `key` for any value.
        template: `name@version`, or `name` for any version.
        cause: only jobs that failed by an error of this kind.
        lists: some of LIVE_LISTS and ENDED_LISTS, instead of those that the state and the batch say.
        limit: most jobs on the page.
        cursor: of the page before.
    """
    wanted = {"state": state and State(state).value, "batch": batch, "queue": queue, "provider": provider}
    # As the tag is found that such a job bears: up to the end of its line, or of the name.
    line = template and (f"{template}\n" if "@" in template else f"{template}@")
    wanted |= {"tenant": tenant, "tag": tag, "template": line, "cause": cause}
    sources = list(lists) if lists is not None else _sources(state, batch)
    source, _, position = (cursor or f"{sources[0]}@").partition("@")
    filters = orjson.dumps({name: value for name, value in wanted.items() if value is not None})

    def parse(answer: Any) -> Page:
        rows, following = answer
        found = [job_from_fields(text(job_id), decode_fields(_raw(flat))) for job_id, flat in rows]
        if following:
            return Page(found, f"{source}@{text(following)}")
        rest = sources[sources.index(source) + 1 :]
        return Page(found, f"{rest[0]}@" if rest else None)

    return call(keys, "jobs", (source, position, limit, filters), parse)


def why(keys: Keys, job_id: str) -> Op[Why | None]:
    """What holds a job, reckoned by the scripts that decide it; None when the store holds no such job."""

    def parse(answer: Any) -> Why | None:
        if not answer:
            return None
        holds = [
            Hold(text(kind), text(name), _wait(wait), text(said), text(by)) for kind, name, wait, said, by in answer[1]
        ]
        return Why(State(text(answer[0])), holds)

    return call(keys, "why", (job_id,), parse)


def unresolved(keys: Keys, limit: int = 100) -> Op[list[tuple[str, int]]]:
    """Attempts whose cost nobody knows, oldest first: (job:attempt, since when, ms)."""
    command = ("ZRANGE", keys.unresolved(), 0, limit - 1, "WITHSCORES")

    def parse(replies: list[Any]) -> list[tuple[str, int]]:
        flat: list[Any] = []
        for item in replies[0]:
            flat.extend(item if isinstance(item, (list, tuple)) else (item,))
        return [(text(flat[i]), number(flat[i + 1])) for i in range(0, len(flat), 2)]

    return read((command,), parse)


def _sources(state: State | str | None, batch: str | None) -> list[str]:
    if batch is not None:
        return ["batch"]
    if state is None:
        return list(_SOURCES)
    return [next(name for name, states in _SOURCES.items() if State(state) in states)]


def _wait(value: Any) -> int | None:
    wait = number(value)
    return None if wait < 0 else wait


def _raw(reply: Any) -> dict[bytes, bytes]:
    """A hash reply as it came, whichever protocol brought it."""
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True))


def opened_metadata(keys: Keys, raw: str | bytes | None) -> bytes:
    """What a job carries for its application, as JSON; empty for nothing."""
    said = raw.encode() if isinstance(raw, str) else raw or b""
    return opened(keys, Kind.METADATA, said)


def _resolve(keys: Keys, own: bytes | None, source: bytes | None) -> bytes | None:
    own, source = opened_reply(keys, own), opened_reply(keys, source)
    if own is None or source is None:
        return own
    mine = orjson.loads(own)
    free = {"cached": mine["cached"], "custom_id": mine.get("custom_id"), "cost_nano": 0, "prior_nano": 0}
    return orjson.dumps(orjson.loads(source) | free)
