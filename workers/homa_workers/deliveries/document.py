"""What is delivered: a run as a JSON document, in the envelope that Standard Webhooks recommends; as text, for mail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from homa_shared.calls.reply import message_text
from homa_shared.model.money import usd
from homa_shared.schedules.timing import moment_in, read_timing


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The end of a run, as its delivery's message tells it."""

    #: Names the delivery to its receiver.
    delivery: str
    #: The schedule's name.
    schedule: str
    target: str
    #: The tick, ms, and for people.
    tick: int
    at: str
    #: What `{{since}}` stands for, ms.
    since: int
    #: When it ended, ms.
    ended: int
    timing: str
    job: str
    #: succeeded, failed, cancelled, expired or forgotten.
    state: str
    #: tick, hand or backfill.
    by: str
    detail: str = ""
    #: Nano-dollars; None: nobody knows.
    cost: int | None = None
    unresolved: int | None = None
    #: Where the run is a batch: its id, lines, those that failed, inputs that could not be sent.
    batch: str = ""
    lines: int | None = None
    lines_failed: int | None = None
    unsent: int | None = None
    #: Of its schedule; releases before said none.
    tenant: str = ""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> RunEnd:
        """Reads what a message tells; what later releases add is left out."""
        known = {name: value for name, value in told.items() if name in cls.__dataclass_fields__}
        return cls(**known)

    @property
    def zone(self) -> str:
        return read_timing(self.timing).zone

    @property
    def subject(self) -> str:
        return f"{self.schedule} {self.at[:16].replace('T', ' ')}: {self.state}"


def document(end: RunEnd, outcome: Mapping[str, Any]) -> bytes:
    """The document of a run.

    Args:
        outcome: the job's as the store has it, empty where it is kept no more.
    """
    data = {
        "id": end.delivery,
        "schedule": end.schedule,
        "tick": end.at,
        "since": moment_in(end.since, end.zone),
        "until": end.at,
        "state": end.state,
        "by": end.by,
        **_what(end),
        "cost_usd": None if end.cost is None else usd(int(end.cost)),
        "unresolved_usd": usd(int(end.unresolved or 0)),
        **({} if end.batch else {"reply": reply_of(outcome)}),
        "error": None if end.state == "succeeded" else outcome.get("error") or _error(end),
    }
    ended = datetime.fromtimestamp(end.ended / 1000, UTC).isoformat(timespec="seconds")
    return orjson.dumps({"type": "schedule.run.ended", "timestamp": ended, "data": data})


def text(end: RunEnd, outcome: Mapping[str, Any]) -> str:
    """The run for people: the answer, or why there is none."""
    body = outcome.get("body")
    said = message_text(body) if isinstance(body, dict) else ""
    lines = [said or _batch_words(end) or end.detail or "(no text: run.json has all that is known)"]
    cost = "" if end.cost is None else f", ${usd(int(end.cost))}"
    name = f"batch {end.batch}" if end.batch else f"job {end.job}"
    return "\n".join([*lines, "", f"-- \n{end.schedule}, {end.at}: {end.state}{cost}; {name}\n"])


def _what(end: RunEnd) -> dict[str, Any]:
    """What the run is: a job, or a batch with its counts."""
    if not end.batch:
        return {"job": end.job}
    counts = {"lines": end.lines, "lines_failed": end.lines_failed, "inputs_unsent": end.unsent}
    return {"batch": end.batch, **{name: None if count is None else int(count) for name, count in counts.items()}}


def _batch_words(end: RunEnd) -> str:
    if not end.batch:
        return ""
    lines, failed = int(end.lines or 0), int(end.lines_failed or 0)
    found = f"{lines - failed} of {lines} lines have succeeded"
    return f"{found}: {end.detail}" if end.detail else f"{found}."


def _error(end: RunEnd) -> dict[str, str]:
    return {"kind": end.state, "message": end.detail}


def reply_of(outcome: Mapping[str, Any]) -> dict[str, Any] | None:
    """The reply of a job as documents have it; None where there is none."""
    body = outcome.get("body")
    if not isinstance(body, dict):
        return None
    return {
        "text": message_text(body),
        "provider": outcome.get("provider"),
        "model": outcome.get("model"),
        "body": body,
    }
