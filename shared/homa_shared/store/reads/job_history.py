"""The history of a job as the store tells it: attempts that ended, the one whose reply won, paid steps on the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from homa_shared.model.errors import SealedPayload
from homa_shared.model.record_fields import short
from homa_shared.model.records import ENDED, Attempt, Job, Step
from homa_shared.model.waits import waits_of
from homa_shared.store.keys import Keys
from homa_shared.store.sealing import Kind, opened_text


def attempt_of(keys: Keys, job_id: str, name: str, past: dict[str, Any]) -> Attempt:
    note = _note(keys, job_id, past.get("note") or "")
    return Attempt(
        number=int(name) if name.isdigit() else 0,
        target=past["target"],
        outcome=past["outcome"],
        charge=past["charge"],
        nano_usd=int(past["nano"]),
        unresolved_nano_usd=int(past["unres"]),
        unpriced=bool(past.get("unpriced")),
        worker=past.get("worker") or "",
        started_ms=int(past.get("started") or 0),
        ended_ms=int(past.get("ended") or 0),
        error=str(note.get("error") or ""),
        note=note,
        cache_saved_nano_usd=int(past.get("saved") or 0),
        waits=waits_of(str(past.get("held") or "")),
        **_beside(past),
    )


def _note(keys: Keys, job_id: str, said: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads(opened_text(keys, Kind.NOTE, said, job_id)) if said else {}
    except SealedPayload as error:
        return {"error": str(error)}
    return found


def _beside(paid: dict[str, Any]) -> dict[str, Any]:
    """What was billed beside tokens, and on which terms; releases before told neither."""
    fees = paid.get("fees")
    return {"terms": str(paid.get("terms") or ""), "fees": dict(fees) if isinstance(fees, dict) else {}}


def step_of(name: str, paid: dict[str, Any]) -> Step:
    return Step(
        number=int(name.removeprefix("step.")),
        attempt=int(paid["attempt"]),
        target=paid["target"],
        at_ms=int(paid["at"]),
        input_tokens=int(paid["input"]),
        output_tokens=int(paid["output"]),
        nano_usd=int(paid["nano"]),
        unresolved_nano_usd=int(paid["unres"]),
        unpriced=bool(paid["unpriced"]),
        cache_saved_nano_usd=int(paid.get("saved") or 0),
        **_beside(paid),
    )


def winner_of(job: Job, reply: bytes | None, others: list[Attempt]) -> Attempt | None:
    """The attempt whose reply ended the job. It has no history of its own, unless its cost stands unresolved."""
    number_ = job.raw.get(short("winner"))
    if job.state not in ENDED or number_ is None:
        return None
    told = next((a for a in others if a.number == number_), None)
    if told is not None:
        return replace(told, outcome="succeeded")
    body = orjson.loads(reply) if reply else {}
    cost = job.cost_nano_usd - sum(a.nano_usd for a in others)
    target = f"{body['provider']}:{body['model']}" if "provider" in body and "model" in body else job.target
    ended = job.ended_ms or 0
    noted = {name: body[name] for name in ("request_id", "latency_ms") if body.get(name) is not None}
    if body.get("notes"):
        noted["parameters"] = body["notes"]
    return Attempt(
        number=number_,
        target=target,
        outcome="succeeded",
        charge="actual",
        nano_usd=cost,
        unpriced="cost_nano" in body and body["cost_nano"] is None,
        # The worker's measure and the store's clock are rounded each by itself.
        started_ms=max(job.submitted_ms, ended - int(body.get("latency_ms") or 0)),
        ended_ms=ended,
        note=noted,
        cache_saved_nano_usd=job.cache_saved_nano_usd - sum(a.cache_saved_nano_usd for a in others),
        waits=job.waits,
        **_beside(body),
    )
