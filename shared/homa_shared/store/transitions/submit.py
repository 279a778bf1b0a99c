"""What an application asks of the store when it submits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

import orjson

from homa_shared.calls.batch_beginning import Beginning
from homa_shared.model import records
from homa_shared.model.constants import FULL_PERCENT
from homa_shared.model.record_fields import Place, RecordField, fields_at
from homa_shared.model.tokens import NO_PREFIX, NO_TOKENS, PrefixTokens, Tokens
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call
from homa_shared.store.sealing import Kind, keyed, keyed_name, sealed_record, sealed_request, sealed_text


@dataclass(frozen=True, slots=True)
class Entry:
    """One job of a submission: what differs from job to job."""

    id: str
    request: bytes
    custom_id: str = ""
    #: Idempotency key and hex digest of the request, `key digest`; empty for none.
    key: str = ""
    #: Upper bound of one call's cost, nano-dollars; None: unpriced.
    bound: int | None = None
    #: To reserve.
    tokens: Tokens = NO_TOKENS
    #: What its prompt shares with others.
    prefix: PrefixTokens = NO_PREFIX
    #: From now, ms; 0 for none.
    deadline_ms: int = 0
    due_ms: int = 0
    #: What it carries for its application, as JSON; empty for nothing.
    metadata: str = ""

    def encode(self) -> bytes:
        """The record's fields that it sets, as JSON: texts by their short names."""
        found: dict[str, str] = {}
        for row in fields_at(Place.ENTRY):
            value = attrgetter(row.path or row.name)(self)
            if value is not None and value != "" and value != row.absent:
                found[row.short] = str(value)
        return orjson.dumps(found)


@dataclass(frozen=True, slots=True)
class Common:
    """What all jobs of one submission share."""

    queue: str
    lane: str
    target: str
    tenant: str = ""
    kind: str = "j"
    max_attempts: int = 6
    batch: str | None = None
    tags: str = ""
    on_ambiguous: str = "retry"
    on_content_policy: str = "fail"
    slack_ms: int | None = None
    #: Targets left after the first.
    fallbacks_left: int = 0
    job_budget: int | None = None
    cache_key: str | None = None
    #: Of a Dramatiq message in its lane, at most MOST_PRIORITY from 0; the lowest goes first.
    priority: int = 0
    #: Name of the process that is told of their ends on a channel of its own; empty for none.
    notify: str = ""
    #: Id of the key of the gateway whose budget they spend; empty for none.
    gateway_key: str = ""
    #: URL that is told of each one's end; empty for none.
    webhook: str = ""
    #: Version of the records; an older one where workers live that read no newer.
    version: int = field(default_factory=lambda: records.RECORD_VERSION)

    def encode(self) -> bytes:
        """The record's fields that it sets, as JSON."""
        said = {field: getattr(self, field.name) for field in fields_at(Place.COMMON)}
        return orjson.dumps({field.short: value for field, value in said.items() if _is_written(field, value)})


#: What an entry says beside its fields, id and request: as the script calls it, its attribute, and what says nothing.
_BESIDE: tuple[tuple[str, str, frozenset[Any]], ...] = (
    ("key", "key", frozenset({""})),
    ("deadline", "deadline_ms", frozenset({0})),
    ("due", "due_ms", frozenset({0})),
)
#: So many requests of a submission must begin alike for their beginning to be kept once.
LEAST_BEGUN = 4


@dataclass(frozen=True, slots=True)
class Accepted:
    """Answer of submit."""

    count: int
    #: Index of an entry that was there before -> id of the job that it names.
    existing: dict[int, str]
    #: Index of an entry whose key was used before with another request -> id of the job that has it.
    conflicts: dict[int, str]


def submit(keys: Keys, common: Common, entries: Sequence[Entry], beginnings: Sequence[Beginning] = ()) -> Op[Accepted]:
    """Accepts all entries, or none when the store has no room. Sending the same entries again changes nothing.

    Args:
        common: what they share.
        beginnings: what requests of their batch may begin with; the first that is worth it is kept once, beside it.
    """
    shared = None if keys.cipher is not None else _worth_keeping(beginnings, entries)
    args: list[Any] = [sealed_record(keys, common.encode()), FULL_PERCENT]
    args += ("", "") if shared is None else (shared.name, shared.text)
    # Without keys only what looks like an envelope is changed (`envelope.unlike_sealed`).
    is_sent_as_it_is = keys.cipher is None and not any("homa.sealed" in entry.metadata for entry in entries)
    sent = entries if is_sent_as_it_is else [_sealed(keys, entry) for entry in entries]
    names, columns = _columns_of(sent)
    args.append(" ".join(names))
    for e, *values in zip(sent, *columns, strict=True):
        args += (e.id, e.request if shared is None else shared.cut(e.request), *values)
    return call(keys, "submit", args, _parse)


def _worth_keeping(beginnings: Sequence[Beginning], entries: Sequence[Entry]) -> Beginning | None:
    """The first beginning that enough of the requests have."""
    return next(
        (each for each in beginnings if sum(e.request.startswith(each.text) for e in entries) >= LEAST_BEGUN), None
    )


def _columns_of(entries: Sequence[Entry]) -> tuple[list[str], list[Sequence[Any]]]:
    """What some of the entries say something of, and their values: a word less each is felt by client and store."""
    told = [*_BESIDE, *((f.short, f.path or f.name, frozenset({None, "", f.absent})) for f in fields_at(Place.ENTRY))]
    values = attrgetter(*(attribute for _, attribute, _ in told))
    names: list[str] = []
    columns: list[Sequence[Any]] = []
    for (name, _, silent), column in zip(told, zip(*map(values, entries), strict=True), strict=False):
        if not silent.issuperset(column):
            names.append(name)
            columns.append(["" if value is None else value for value in column])
    return names, columns


def _sealed(keys: Keys, entry: Entry) -> Entry:
    """An entry as the store gets it."""
    return replace(
        entry,
        request=sealed_request(keys, entry.request),
        key=keyed_name(keys, entry.key),
        metadata=sealed_text(keys, Kind.METADATA, entry.metadata),
        prefix=entry.prefix._replace(digest=keyed(keys, entry.prefix.digest)),
    )


def _is_written(field: RecordField, value: object) -> bool:
    return value is not None and (value != field.absent or Place.ALWAYS in field.places)


def _parse(reply: Any) -> Accepted:
    count, existing, conflicts, firsts = reply
    known = {int(existing[i]): existing[i + 1].decode() for i in range(0, len(existing), 2)}
    return Accepted(int(count), known, {int(i): first.decode() for i, first in zip(conflicts, firsts, strict=True)})
