"""One namespace of the real store with runs of flows in it, and the verbs by which tests drive them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from homa_shared.calls.flow_place import FlowPlace
from homa_shared.calls.request import JobRequest, Option
from homa_shared.store import reads
from homa_shared.store.reads.flows import FlowView, flow, nodes
from homa_shared.store.transitions.attempts import Claim
from homa_shared.store.transitions.flows import FlowStep, Opened, Section, open_flow, put_items
from homa_shared.store.transitions.submit import Common, Entry
from tests.transitions.cell import BOUND, MODEL, Cell

RUN = "b1"
#: Bytes cost that much, nano-dollars and tokens, where answers of other steps stand in a prompt.
NANO_A_BYTE, TOKENS_A_BYTE = 2, 0.25


def source(*to: str, closed_by: Sequence[str] = ()) -> dict[str, Any]:
    return {"kind": "source", "from": [], "to": list(to), "closed_by": list(closed_by)}


def step(kind: str, *from_: str, to: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    return {"kind": kind, "from": list(from_), "to": list(to), "nano": NANO_A_BYTE, "tokens": TOKENS_A_BYTE} | more


def reduction(from_: str, over: str, width: int, to: Sequence[str] = (), on_failure: str = "skip") -> dict[str, Any]:
    return step("reduce", from_, to=to, over=over, width=width, on_failure=on_failure)


#: Inputs are documents, parts of them are asked for facts, facts become an answer a document.
DOCUMENTS = {
    "inputs": source(),
    "parts": source("facts", closed_by=["whole"]),
    "facts": step("map", "parts", to=["whole"]),
    "whole": reduction("facts", "parts", 3),
}


class Runs(Cell):
    """A cell whose jobs do steps of flows."""

    def open(self, graph: Mapping[str, Any] = DOCUMENTS, run: str = RUN, cap: int | None = None) -> Opened:
        request = JobRequest([{"role": "user", "content": "{{answer}}"}], options=(Option(MODEL, BOUND),)).encode()
        common, entry = Common("p", "default", MODEL, batch=run), Entry("-", b"", bound=BOUND)
        record = orjson.dumps(orjson.loads(common.encode()) | orjson.loads(entry.encode()))
        steps = [FlowStep(name, record, request) for name, said in graph.items() if said["kind"] != "source"]
        facts = {"name": "", "tenant": "", "cap": "" if cap is None else str(cap)}
        return self.run(open_flow(self.keys, run, facts, "d", orjson.dumps(graph), steps, {"name": "n"}))

    def put(self, *items: str, at: int = 0, source: str = "inputs", scope: str = "", seal: bool = False) -> str:
        encoded = [orjson.dumps({"text": item}) for item in items]
        return self.run(put_items(self.keys, RUN, [Section(source, scope, at, encoded, seal)]))

    def document(self, number: int, *parts: str, last: bool = False) -> None:
        """A document of parts, whole; the last one seals the run."""
        assert self.put(*parts, source="parts", scope=str(number), seal=True) == "ok"
        assert self.put(f"document {number}", at=number, seal=last) == "ok"

    def answered(self, text: str | None = None, **more: Any) -> list[str]:
        """Answers all jobs that wait, once, and names their nodes."""
        found = self.take(100, **more).claims
        for claim in found:
            self.answer(claim, f"({claim.custom_id})" if text is None else text)
        return [claim.custom_id for claim in found]

    def answer(self, claim: Claim, text: str) -> None:
        body = {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
        self.settle(claim, {"body": body, "custom_id": claim.custom_id})

    def drained(self) -> list[str]:
        """Answers what waits until nothing does; all nodes, in the order of their ends."""
        done: list[str] = []
        while some := self.answered():
            done += some
        return done

    def place(self, claim: Claim) -> FlowPlace:
        found = JobRequest.decode(claim.request).flow
        assert found is not None
        return found

    def parents(self, claim: Claim) -> list[str]:
        """Nodes and items that a job's prompt is made of, in their order."""
        return [
            reference if reference.startswith("@") else self.job(reference).custom_id or ""
            for _, reference in self.place(claim).parents
        ]

    def node(self, name: str) -> str:
        (found,) = self.run(nodes(self.keys, RUN, [name]))
        return found

    def batch(self) -> reads.BatchView:
        found = self.run(reads.batch(self.keys, RUN))
        assert found is not None
        return found

    def flow(self) -> FlowView:
        found = self.run(flow(self.keys, RUN))
        assert found is not None
        return found
