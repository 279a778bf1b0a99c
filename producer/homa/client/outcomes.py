"""How jobs ended, read from the store: their records, their replies, and bodies that live elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from homa.client.results import Failure, Reply
from homa.drivers.effects import Flow, GetBlob, ask_patiently
from homa_shared.calls.reply import Usage
from homa_shared.model.records import ENDED, State
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, read, text
from homa_shared.store.reads.jobs import opened_metadata
from homa_shared.store.sealing import opened_reply
from homa_shared.store.transitions.media import places


@dataclass(frozen=True, slots=True)
class EndRecord:
    """What the store holds of a job's end."""

    job_id: str
    #: None: the store holds no such job.
    state: State | None
    custom_id: str
    raw: bytes | None
    #: ms since 1970 by the store's clock; None for none.
    deadline_ms: int | None = None
    #: What the job carries for its application, as JSON; empty for nothing.
    metadata: bytes = b""

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def read_ends(keys: Keys, job_ids: Sequence[str]) -> Op[list[EndRecord]]:
    """State and outcome of jobs."""
    commands: list[tuple[Any, ...]] = []
    for job_id in job_ids:
        commands += [("HMGET", keys.job(job_id), "st", "ci", "dl", "md"), ("GET", keys.reply(job_id))]

    def parse_all(replies: list[Any]) -> list[EndRecord]:
        records = []
        for i, job_id in enumerate(job_ids):
            (state, custom_id, deadline, metadata), raw = replies[2 * i], replies[2 * i + 1]
            known = State(text(state)) if state else None
            due_ms = int(deadline) if deadline else None
            carried = opened_metadata(keys, metadata)
            records.append(EndRecord(job_id, known, text(custom_id), opened_reply(keys, raw), due_ms, carried))
        return records

    return read(commands, parse_all)


def outcomes(keys: Keys, records: Sequence[EndRecord], schema: Any = None) -> Flow[list[Reply[Any] | Failure]]:
    """The outcomes of ended jobs; replies of others that they refer to are fetched in one further step."""
    found = [orjson.loads(record.raw) if record.raw else {} for record in records]
    sources = sorted({said["cached"] for said in found if said.get("cached")})
    replies = {}
    if sources:
        commands = [("GET", keys.reply(source)) for source in sources]
        raws = yield from ask_patiently(read(commands, lambda raws: [opened_reply(keys, raw) for raw in raws]))
        replies = {source: orjson.loads(raw) for source, raw in zip(sources, raws, strict=True) if raw}
    yield from _fetch_bodies(keys, [*found, *replies.values()])
    ended = [_outcome(record, said, replies, schema) for record, said in zip(records, found, strict=True)]
    return [
        replace(outcome, metadata=orjson.loads(record.metadata)) if record.metadata else outcome
        for record, outcome in zip(records, ended, strict=True)
    ]


def _fetch_bodies(keys: Keys, told: Sequence[dict[str, Any]]) -> Flow[None]:
    """Gives replies their bodies that live in the blob store. One whose body is gone is left without."""
    large = [said for said in told if "body_at" in said]
    if not large:
        return
    paths = yield from ask_patiently(places(keys, [said["body_at"] for said in large]))
    for said, path in zip(large, paths, strict=True):
        data = (yield GetBlob(path)) if path else None
        if data is not None:
            said["body"] = orjson.loads(data)


def _outcome(record: EndRecord, said: dict[str, Any], replies: dict[str, Any], schema: Any) -> Reply[Any] | Failure:
    custom_id = record.custom_id or said.get("custom_id")
    source = said.get("cached")
    if source in replies:
        return _reply(record.job_id, replies[source], custom_id, schema, source)
    if "body" in said and record.state in (State.SUCCEEDED, None):
        return _reply(record.job_id, said, custom_id, schema, None)
    return _failure(record, said, custom_id)


def _reply(job_id: str, said: dict[str, Any], custom_id: str | None, schema: Any, source: str | None) -> Reply[Any]:
    nano = said.get("cost_nano")
    return Reply(
        job_id=job_id,
        body=said["body"],
        usage=_usage(said),
        provider=said["provider"],
        model=said["model"],
        attempts=0 if source else said.get("attempts", 1),
        cost_nano_usd=0 if source else None if nano is None else nano + (said.get("prior_nano") or 0),
        cached_from=source,
        cached_inputs=len(said["body"].get("data") or ()) if source else said.get("cached_inputs", 0),
        custom_id=custom_id,
        request_id=said.get("request_id"),
        latency_ms=None if source else said.get("latency_ms"),
        queued_ms=None if source else said.get("queued_ms"),
        notes=tuple(said.get("notes") or ()),
        schema=schema,
    )


def _failure(record: EndRecord, said: dict[str, Any], custom_id: str | None) -> Failure:
    state = record.state or State.EXPIRED
    error = said.get("error") or {}
    message = error.get("message") or "its retention has ended"
    kind = error.get("kind") or "gone"
    if kind == State.FAILED:
        # A script that ends a job says why before a colon: budget, unpriced, too large, poisoned.
        reason = message.partition(":")[0]
        kind = reason.replace(" ", "_") if ":" in message and len(reason) < 20 else kind
    return Failure(
        job_id=record.job_id,
        state=state,
        kind=kind,
        message=message,
        status=error.get("status"),
        code=error.get("code"),
        provider=said.get("provider"),
        model=said.get("model"),
        attempts=said.get("attempts") or 0,
        custom_id=custom_id,
        request_id=said.get("request_id"),
        latency_ms=said.get("latency_ms"),
        queued_ms=said.get("queued_ms"),
    )


def _usage(said: Mapping[str, Any]) -> Usage:
    """What a reply was billed for, as far as its envelope says."""
    found = Usage.of_counts(said.get("usage") or {})
    terms, fees = said.get("terms"), said.get("fees")
    if not (terms or fees):
        return found
    return replace(found, terms=tuple(terms.split("+")) if terms else (), fees=tuple((fees or {}).items()))
