"""What a campaign did to its jobs: the store's books held against the provider's bill.

The bill is the outside truth. Each request carries its job's id (`user`), so that the bill tells how often a job was
called, whatever the store believes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from homa_shared.model.records import ENDED
from homa_shared.store import reads
from homa_shared.store.audit import audit
from homa_shared.store.client import Store
from homa_shared.store.keys import Keys
from homa_shared.store.operation import mapping, number, read, text

_PAGE = 500
_ENDS = {f"job.{state}" for state in ENDED}


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one campaign; money in nano-dollars."""

    jobs: int
    succeeded: int
    failed: int
    cancelled: int
    expired: int
    #: Accepted jobs that have no end, or succeeded without a reply to be read.
    lost: int
    ended_twice: int
    #: Calls on the bill beyond the first of a job.
    called_twice: int
    #: Calls on the bill for which the ledger has no line: what P2 forbids.
    unseen: int
    #: Attempts whose outcome nobody knows.
    unresolved: int
    bill: int
    known: int
    unresolved_nano: int
    rate_limited: int
    #: What does not add up in the store's indexes and counters.
    findings: tuple[str, ...]

    def broken(self) -> list[str]:
        """The promises that did not hold; empty when all did."""
        checks = [
            (self.lost == 0, f"P1: {self.lost} of {self.jobs} jobs lost"),
            (self.ended_twice == 0, f"P1: {self.ended_twice} jobs ended twice"),
            (not self.findings, f"P1: books do not add up: {'; '.join(self.findings[:5])}"),
            (self.unseen == 0, f"P2: {self.unseen} calls were billed that the ledger does not show"),
            (
                self.known <= self.bill <= self.known + self.unresolved_nano,
                f"P2: bill {self.bill} is outside known {self.known} + unresolved {self.unresolved_nano}",
            ),
        ]
        return [what for holds, what in checks if not holds]


def take_tally(store: Store, job_ids: Sequence[str], bill: dict[str, Any], stats: dict[str, Any]) -> Tally:
    """Counts what became of jobs.

    Args:
        job_ids: every job that the application was told is accepted.
        bill: `/bill/charges` of the simulator.
        stats: `/stats` of the simulator.
    """
    keys = store.keys
    states = _states(store, job_ids)
    ends = _ends(store)
    calls = Counter(charge["marker"] for charge in bill["charges"] if charge["marker"])
    lines = _charged_attempts(store)
    costs = store.run(reads.costs(keys))
    without_reply = [job_id for job_id, (state, replied) in states.items() if state == "succeeded" and not replied]
    return Tally(
        jobs=len(job_ids),
        **{state.value: sum(found == state.value for found, _ in states.values()) for state in ENDED},
        lost=sum(state not in {e.value for e in ENDED} for state, _ in states.values()) + len(without_reply),
        ended_twice=sum(count > 1 for count in ends.values()),
        called_twice=sum(count - 1 for count in calls.values()),
        unseen=sum(max(0, count - lines[job_id]) for job_id, count in calls.items()),
        unresolved=store.run(read((("ZCARD", keys.unresolved()),), lambda r: int(r[0]))),
        bill=sum(charge["nano_usd"] or 0 for charge in bill["charges"]),
        known=costs.nano_usd,
        unresolved_nano=costs.unresolved_nano_usd,
        rate_limited=stats["rate_limited"],
        findings=tuple(str(finding) for finding in audit(store)) + tuple(_conservation(store, keys)),
    )


def _states(store: Store, job_ids: Sequence[str]) -> dict[str, tuple[str, bool]]:
    """State and whether there is a reply (one's own, or that of the job it was answered by), by job."""
    found: dict[str, tuple[str, bool]] = {}
    for start in range(0, len(job_ids), _PAGE):
        page = job_ids[start : start + _PAGE]
        commands = tuple(("HGET", store.keys.job(job_id), "st") for job_id in page)
        states = store.run(read(commands, lambda r: [text(state) for state in r]))
        replies = store.run(reads.resolved_replies(store.keys, page))
        found |= {j: (state, reply is not None) for j, state, reply in zip(page, states, replies, strict=True)}
    return found


def _ends(store: Store) -> Counter[str]:
    """How often each job ended, by the stream of events (its last 100 000)."""
    ends: Counter[str] = Counter()
    after = "-"
    while events := store.run(reads.events(store.keys, after, _PAGE)):
        ends.update(event.job for event in events if event.name in _ENDS)
        after = events[-1].id
    return ends


def _charged_attempts(store: Store) -> Counter[str]:
    """Attempts for which the ledger shows a cost, known or not, by job."""
    charged = {
        (line.job, line.attempt)
        for line in _ledger(store)
        if line.nano_usd or line.unresolved_nano_usd or line.unpriced
    }
    return Counter(job_id for job_id, _ in charged)


def _ledger(store: Store) -> Iterator[Any]:
    after = "-"
    while lines := store.run(reads.ledger(store.keys, after, _PAGE)):
        yield from lines
        after = lines[-1].id


def _conservation(store: Store, keys: Keys) -> Iterator[str]:
    told = store.run(read((("HGETALL", keys.counters()),), lambda r: mapping(r[0])))
    ended = sum(number(told.get(state)) for state in ENDED)
    if number(told.get("submitted")) != ended + number(told.get("live")):
        yield f"submitted {told.get('submitted')} is not ended {ended} + live {told.get('live')}"
