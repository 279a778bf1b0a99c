"""What an application asks of the store to run a flow: a run is opened, items are put into it, and it is sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from homa_shared.model.constants import FULL_PERCENT
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, text
from homa_shared.store.sealing import Kind, keyed, opened_text, sealed, sealed_record, sealed_request, sealed_text
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
    fields: list[str | bytes] = ["graph", _keyed_graph(keys, graph)]
    for step in steps:
        request = sealed(keys, Kind.REQUEST, step.request)
        fields += (f"{step.name}|record", sealed_record(keys, step.record), f"{step.name}|request", request)
    for name, value in facts.items():
        is_payload = name == "definition" and isinstance(value, bytes)
        fields += (name, sealed(keys, Kind.DEFINITION, value) if is_payload else value)  # type: ignore[arg-type]
    known_by = sealed_text(keys, Kind.DEFINITION, digest, run)
    return call(keys, "open_flow", (run, orjson.dumps(dict(batch)), known_by, *fields), partial(_opened, keys, run))


def put_items(keys: Keys, run: str, sections: Sequence[Section]) -> Op[str]:
    """Puts items into a run. Sending them again changes nothing.

    Returns ok, gap (items before these are missing), differs (others are in their place), ended (the step that makes
    them runs no more), the state of a run that takes no more, or '' for no such run.
    """
    heads = orjson.dumps([_head(keys, run, section) for section in sections])
    # Equal items are equal in the store: an item that is there is not put anew, and equal nodes are asked for once.
    items = [sealed(keys, Kind.ITEM, item, alike=True) for section in sections for item in section.items]
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
    args = (*name, report, token, expires_ms, sealed_request(keys, request))
    return call(keys, "ask", args, lambda reply: ReportResult(text(reply)))


def answer(keys: Keys, job_id: str, token: str, digest: str, request: bytes) -> Op[str]:
    """Answers a step that waits. The same answer again changes nothing.

    Args:
        digest: of the answer.
        request: with the answer; empty where the store has none any more, since the job has ended.

    Returns ok, unknown, answered (otherwise), expired, cancelled, or the state in which it ended.
    """
    kept = sealed_request(keys, request)
    return call(keys, "answer", (job_id, token, keyed(keys, digest), kept), text)


def _head(keys: Keys, run: str, section: Section) -> dict[str, Any]:
    head = section.head()
    return head | {"digest": sealed_text(keys, Kind.DEFINITION, section.digest, run)} if section.digest else head


def _keyed_graph(keys: Keys, graph: bytes) -> bytes:
    """A graph whose steps' keys, under which answers are kept, say nothing of their prompts."""
    if keys.cipher is None:
        return graph
    steps: dict[str, dict[str, Any]] = orjson.loads(graph)
    for step in steps.values():
        if step.get("key"):
            step["key"] = keyed(keys, step["key"])
    return orjson.dumps(steps)


def _opened(keys: Keys, run: str, reply: Any) -> Opened:
    state, digest, inputs, inputs_digest = reply
    digests = (opened_text(keys, Kind.DEFINITION, text(told), run) for told in (digest, inputs_digest))
    return Opened(text(state), next(digests), int(inputs), next(digests))
