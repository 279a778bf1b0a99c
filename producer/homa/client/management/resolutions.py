"""Attempts whose cost nobody knows: listed, and settled by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from homa.client.management.units import time_of, usd_of
from homa.client.management.wording import dollars, moment, one_line
from homa.client.not_found import job_not_found
from homa.drivers.effects import Emit, Flow, ask
from homa.submit.option_checks import check_text
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.ids import split_attempt
from homa_shared.model.money import parse_usd
from homa_shared.model.records import Attempt
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.transitions import admin


@dataclass(frozen=True, slots=True)
class Unresolved:
    """An attempt of unknown outcome, which may have been charged."""

    #: `job:number`, as `resolve` takes it.
    attempt: str
    since: datetime
    #: None, as all below, where its job's record is gone.
    target: str | None
    outcome: str | None
    #: What it may have cost at most.
    unresolved_usd: Decimal | None
    #: The provider's id of the request, to look for on its bill.
    request_id: str | None
    error: str | None

    @classmethod
    def of(cls, name: str, since_ms: int, found: Attempt | None) -> Unresolved:
        if found is None:
            return cls(name, time_of(since_ms), None, None, None, None, None)
        return cls(
            attempt=name,
            since=time_of(since_ms),
            target=found.target,
            outcome=found.outcome,
            unresolved_usd=usd_of(found.unresolved_nano_usd),
            request_id=found.note.get("request_id"),
            error=found.error,
        )

    @property
    def job_id(self) -> str:
        return split_attempt(self.attempt)[0]

    def __str__(self) -> str:
        facts = [
            f"since {moment(self.since)}",
            self.target or "",
            self.outcome or "",
            f"at most {dollars(self.unresolved_usd)}" if self.unresolved_usd is not None else "",
            self.error or "",
        ]
        return f"{self.attempt} unresolved {one_line(facts)}"


def unresolved(keys: Keys, limit: int) -> Flow[None]:
    """Emits attempts whose cost nobody knows (`Unresolved`), oldest first."""
    for name, since_ms in (yield from ask(reads.unresolved(keys, limit))):
        job_id, number = split_attempt(name)
        view = yield from ask(reads.job(keys, job_id))
        found = next((a for a in view.attempts if a.number == number), None) if view else None
        yield Emit(Unresolved.of(name, since_ms, found))


def billed(usd: str | int | float | Decimal) -> int:
    """What a provider billed, nano-dollars. Raises InvalidRequest for what is not an amount of dollars."""
    try:
        return parse_usd(usd)
    except ValueError as error:
        raise InvalidRequest(f"usd: {error}") from error


def resolve(keys: Keys, name: str, nano_usd: int, note: str = "") -> Flow[tuple[str, str]]:
    """Settles an attempt of unknown cost at what the provider's bill says.

    Args:
        name: `job:number`, or the job where only one of its attempts is unresolved.

    Returns:
        The attempt, and `ok`; `stale`, where nothing is unresolved there; or `unknown`.

    Raises:
        InvalidRequest: it is not the name of an attempt, or does not say which one.
        JobNotFound: the store holds no such job.
    """
    if note != "":
        check_text("note", note)
    job_id, number = yield from _attempt_of(keys, name)
    answer = yield from ask(admin.resolve(keys, job_id, number, nano_usd, note))
    return f"{job_id}:{number}", answer


def _attempt_of(keys: Keys, name: str) -> Flow[tuple[str, int]]:
    """Job and number of an attempt; the number may be left out where only one is unresolved."""
    if ":" in name:
        try:
            return split_attempt(name)
        except ValueError:
            raise InvalidRequest(f"{name!r} is not an attempt: expected JOB:NUMBER, such as j0abc:1") from None
    view = yield from ask(reads.job(keys, name))
    if view is None:
        raise job_not_found(name)
    open_ = [attempt.number for attempt in view.attempts if attempt.charge == "unresolved"]
    if len(open_) != 1:
        told = ", ".join(f"{name}:{number}" for number in open_) or "none"
        raise InvalidRequest(f"job {name} has {len(open_)} unresolved attempts ({told}): expected one; name it")
    return name, open_[0]
