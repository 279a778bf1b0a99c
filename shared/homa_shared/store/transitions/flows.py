"""What an application asks of the store to run a flow: a run is opened, items are put into it, and it is sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from homa_shared.model.constants import FULL_PERCENT
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, text
from homa_shared.store.transitions.attempts import ReportResult


@dataclass(frozen=True, slots=True)
class FlowStep:
    """A step of a run, as the store makes jobs of it."""

    name: str
    #: The record's fields that its jobs share, as JSON: texts by their short names.
    record: bytes
    #: Their request, whose messages hold placeholders.
    request: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """A run as it stood when it was opened."""

    #: open, sealed or complete; `gone` where its batch is no longer kept.
    state: str
    #: Of what defines it.
    digest: str
    #: Inputs that are there.
    inputs: int
    #: Of these; empty for none.
    inputs_digest: str


@dataclass(frozen=True, slots=True)
class Section:
    """Some items of one source in one scope, behind others."""

    source: str
    #: Path of the item that they are parts of; empty for inputs.
    scope: str
    #: Number of the first one.
    first: int
    #: As JSON.
    items: Sequence[bytes]
    #: No more come behind them.
    seal: bool = False
    #: Of all inputs up to here; empty for parts.
    digest: str = ""

    def head(self) -> dict[str, Any]:
        said = {"source": self.source, "scope": self.scope, "from": self.first, "n": len(self.items)}
        return {**said, "seal": self.seal, **({"digest": self.digest} if self.digest else {})}


def open_flow(
    keys: Keys,
    run: str,
    batch: Mapping[str, str],
    digest: str,
    graph: bytes,
    steps: Sequence[FlowStep],
    facts: Mapping[str, str | bytes],
) -> Op[Opened]:
    """Opens a run; one that is known stays as it is.

    Args:
        batch: facts of its batch, as `open_batch` takes them.
        digest: of what defines it.
        graph: its steps as scripts go by them (scripts/lib/flow_nodes.lua).
        facts: further fields of its hash.
    """
    fields: list[str | bytes] = ["graph", graph]
    for step in steps:
        fields += (f"{step.name}|record", step.record, f"{step.name}|request", step.request)
    for name, value in facts.items():
        fields += (name, value)
    return call(keys, "open_flow", (run, orjson.dumps(dict(batch)), digest, *fields), _opened)


def put_items(keys: Keys, run: str, sections: Sequence[Section]) -> Op[str]:
    """Puts items into a run. Sending them again changes nothing.

    Returns ok, gap (items before these are missing), differs (others are in their place), the state of a run that takes
    no more, or '' for no such run.
    """
    heads = orjson.dumps([section.head() for section in sections])
    items = [item for section in sections for item in section.items]
    return call(keys, "put_items", (run, FULL_PERCENT, heads, *items), text)


def ask(
    keys: Keys, name: tuple[str, int], report: bytes, token: str, expires_ms: int, request: bytes
) -> Op[ReportResult]:
    """The attempt at a step that waits is over: its job stands aside until its token is answered or expires.

    Args:
        name: the job and the number of its attempt.
        report: as `Report.encode` writes it.
        request: with the question in the place of its template.
    """
    args = (*name, report, token, expires_ms, request)
    return call(keys, "ask", args, lambda reply: ReportResult(text(reply)))


def answer(keys: Keys, job_id: str, token: str, digest: str, request: bytes) -> Op[str]:
    """Answers a step that waits. The same answer again changes nothing.

    Args:
        digest: of the answer.
        request: with the answer; empty where the store has none any more, since the job has ended.

    Returns ok, unknown, answered (otherwise), expired, cancelled, or the state in which it ended.
    """
    return call(keys, "answer", (job_id, token, digest, request), text)


def _opened(reply: Any) -> Opened:
    state, digest, inputs, inputs_digest = reply
    return Opened(text(state), text(digest), int(inputs), text(inputs_digest))
