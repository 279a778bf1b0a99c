"""Checks of the store's books: P1's conservation of jobs and P4's reservations, proved from the indexes up, and that no
turn of a conversation is left without its job.

Every index is walked in pages; each job met must say in its record that it waits just there, and every counter must be
the sum of its parts. A store in use moves while it is read, so what looks wrong is looked at again: only a finding that
stands unchanged in every pass is reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from homa_shared.model.constants import LANES
from homa_shared.model.records import ENDED
from homa_shared.store.audit_turns import turns_amiss
from homa_shared.store.client import Store
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, mapping, number, read, text

#: Jobs read in one operation.
PAGE = 500
#: How often a suspicious entry is looked at before it counts.
PASSES = 3

_FIELDS = ("st", "q", "ln", "tg", "tn", "why", "at", "kd", "ba", "bn", "bi", "ps", "qs", "cv")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the books that does not add up."""

    #: job, counter, queue, batch, budget, scope or conversation.
    kind: str
    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.what}"


@dataclass(slots=True)
class _Walk:
    """What one walk through all indexes adds up."""

    places: dict[str, list[str]] = field(default_factory=dict)
    queues: Counter[tuple[str, str]] = field(default_factory=Counter)
    batches: Counter[str] = field(default_factory=Counter)
    reserved: Counter[str] = field(default_factory=Counter)
    busy: Counter[str] = field(default_factory=Counter)
    #: Live job -> the turn of a conversation that it answers.
    turns: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def meet(self, job_id: str, place: str, expected: dict[str, str], record: dict[str, str]) -> None:
        """A job stands in an index; its record must agree."""
        self.places.setdefault(job_id, []).append(place)
        wrong = [
            f"{name} is {record.get(name, 'absent')!r}" for name, value in expected.items() if record.get(name) != value
        ]
        if wrong:
            self.findings.append(Finding("job", job_id, f"stands in {place}, but {', '.join(wrong)}"))
            return
        self.queues[record["q"], f"{record['ln']}.{record['st']}"] += 1
        if record.get("ba"):
            self.batches[record["ba"]] += 1
        if record.get("cv"):
            self.turns[job_id] = record["cv"]
        if record["st"] == "running" and record.get("kd") != "m":
            for instance in filter(None, record.get("bi", "").split("\n")):
                self.reserved[instance] += number(record.get("bn"))
            for scope in {record.get("ps", ""), record.get("qs", "")}:
                self.busy[scope] += 1


def audit(store: Store) -> list[Finding]:
    """Walks the books until what it finds stands still; empty when all of them add up."""
    suspects: dict[Finding, None] | None = None
    for _ in range(PASSES):
        found = _drive(store, books(store.keys))
        suspects = dict.fromkeys(f for f in found if suspects is None or f in suspects)
        if not suspects:
            return []
    return list(suspects or ())


def books(keys: Keys) -> Generator[Op[Any], Any, list[Finding]]:
    """One walk through the books: yields operations, is sent their answers, returns what does not add up."""
    walk = _Walk()
    queues = yield _members(keys.queues())
    yield from _leases(keys, walk)
    yield from _index(keys, walk, keys.due(), "due", {"st": "due"})
    for reason in (yield _range(keys.reasons())):
        if not reason.startswith("cancel:"):
            yield from _index(keys, walk, keys.waiting(reason), f"waiting {reason}", {"st": "waiting", "why": reason})
    for queue in queues:
        yield from _backlogs(keys, walk, queue)
    walk.findings += [
        Finding("job", job_id, f"stands in more than one index: {', '.join(places)}")
        for job_id, places in walk.places.items()
        if len(places) > 1
    ]
    yield from _counters(keys, walk)
    yield from _queue_counts(keys, walk, queues)
    yield from _batch_counts(keys, walk)
    yield from _reservations(keys, walk)
    walk.findings += [
        Finding("conversation", name, what) for name, what in (yield from turns_amiss(keys, walk.turns, walk.places))
    ]
    return walk.findings


def _drive(store: Store, steps: Generator[Op[Any], Any, list[Finding]]) -> list[Finding]:
    answer: Any = None
    while True:
        try:
            answer = store.run(steps.send(answer))
        except StopIteration as end:
            found: list[Finding] = end.value
            return found


def _leases(keys: Keys, walk: _Walk) -> Generator[Op[Any], Any, None]:
    for page in (yield from _pages(keys.leases())):
        split = [name.rpartition(":") for name in page]
        records = yield _records(keys, [job_id for job_id, _, _ in split])
        for (job_id, _, attempt), record in zip(split, records, strict=True):
            walk.meet(job_id, "leases", {"st": "running", "at": attempt}, record)


def _backlogs(keys: Keys, walk: _Walk, queue: str) -> Generator[Op[Any], Any, None]:
    for lane in LANES:
        for target in (yield _range(keys.lane(queue, lane))):
            for tenant in (yield _range(keys.group(queue, lane, target))):
                expected = {"st": "queued", "q": queue, "ln": lane, "tg": target, "tn": tenant}
                key = keys.backlog(queue, lane, target, tenant)
                yield from _index(keys, walk, key, f"backlog {queue} {lane} {target} {tenant}".rstrip(), expected)


def _index(keys: Keys, walk: _Walk, key: str, place: str, expected: dict[str, str]) -> Generator[Op[Any], Any, None]:
    for page in (yield from _pages(key)):
        records = yield _records(keys, page)
        for job_id, record in zip(page, records, strict=True):
            walk.meet(job_id, place, expected, record)


def _counters(keys: Keys, walk: _Walk) -> Generator[Op[Any], Any, None]:
    told = yield _hash(keys.counters())
    live, submitted = number(told.get("live")), number(told.get("submitted"))
    ended = sum(number(told.get(state)) for state in ENDED)
    if submitted != live + ended:
        walk.findings.append(
            Finding("counter", "submitted", f"is {submitted}, but live {live} and ended {ended} make {live + ended}")
        )
    if live != len(walk.places):
        walk.findings.append(Finding("counter", "live", f"is {live}, but {len(walk.places)} jobs stand in an index"))


def _queue_counts(keys: Keys, walk: _Walk, queues: Iterable[str]) -> Generator[Op[Any], Any, None]:
    for queue in queues:
        told = yield _hash(keys.queue(queue))
        counts = {name: number(value) for name, value in told.items() if "." in name}
        for name in sorted(counts.keys() | {name for q, name in walk.queues if q == queue}):
            if counts.get(name, 0) != walk.queues[queue, name]:
                what = f"{name} is {counts.get(name, 0)}, but {walk.queues[queue, name]} jobs stand there"
                walk.findings.append(Finding("queue", queue, what))


def _batch_counts(keys: Keys, walk: _Walk) -> Generator[Op[Any], Any, None]:
    for page in (yield from _pages(keys.batches())):
        for batch_id in page:
            told = yield _hash(keys.batch(batch_id))
            ended = sum(number(told.get(state)) for state in ENDED)
            live = number(told.get("submitted")) - ended
            if told and live != walk.batches[batch_id]:
                what = f"has {live} live lines by its counts, but {walk.batches[batch_id]} stand in an index"
                walk.findings.append(Finding("batch", batch_id, what))


def _reservations(keys: Keys, walk: _Walk) -> Generator[Op[Any], Any, None]:
    for name in sorted({*(yield _members(keys.budgets())), *walk.reserved}):
        told = yield _hash(keys.budget(name))
        if number(told.get("reserved")) != walk.reserved[name]:
            what = f"reserved is {told.get('reserved', 0)}, but running jobs hold {walk.reserved[name]}"
            walk.findings.append(Finding("budget", name, what))
    for name in sorted({*(yield _members(keys.scopes())), *walk.busy}):
        told = yield _hash(keys.scope(name))
        if number(told.get("busy")) != walk.busy[name]:
            what = f"busy is {told.get('busy', 0)}, but {walk.busy[name]} jobs run under it"
            walk.findings.append(Finding("scope", name, what))


def _pages(key: str) -> Generator[Op[Any], Any, Iterator[list[str]]]:
    """Members of a sorted set. They are read whole before their records are: a page must not shift under the reader."""
    members: dict[str, None] = {}
    start = 0
    while True:
        page = yield _range(key, start, start + PAGE - 1)
        members |= dict.fromkeys(page)
        if len(page) < PAGE:
            break
        start += PAGE
    names = list(members)
    return (names[i : i + PAGE] for i in range(0, len(names), PAGE))


def _range(key: str, start: int = 0, stop: int = -1) -> Op[list[str]]:
    return read((("ZRANGE", key, start, stop),), lambda r: [text(item) for item in r[0]])


def _members(key: str) -> Op[list[str]]:
    return read((("SMEMBERS", key),), lambda r: sorted(text(item) for item in r[0]))


def _hash(key: str) -> Op[dict[str, str]]:
    return read((("HGETALL", key),), lambda r: mapping(r[0]))


def _records(keys: Keys, job_ids: list[str]) -> Op[list[dict[str, str]]]:
    def parse(replies: list[Any]) -> list[dict[str, str]]:
        rows = (
            {name: text(value) for name, value in zip(_FIELDS, row, strict=True) if value is not None}
            for row in replies
        )
        return list(rows)

    return read(tuple(("HMGET", keys.job(job_id), *_FIELDS) for job_id in job_ids), parse)
