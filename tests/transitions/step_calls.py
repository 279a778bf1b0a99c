"""The steps of a job of several calls, as a worker reports them, and what they cost."""

from __future__ import annotations

from typing import Any

from homa_shared.calls.failures import Charge
from homa_shared.calls.request import Option
from homa_shared.store import reads
from homa_shared.store.transitions.attempts import Claim, Report, ReportResult
from homa_shared.store.transitions.steps import Begin, Permit, begin_tool, end_tool, next_step, step
from tests.transitions.cell import BOUND, COST, MODEL, Cell

NEXT = Option(MODEL, 2 * BOUND, (30, 20, 10))


def record(cell: Cell, claim: Claim, number: int = 1, state: bytes = b"{}", **report: Any) -> ReportResult:
    told = {"charge": Charge.ACTUAL, "nano": COST, "input": 5, "output": 3, "health": "good"} | report
    name = (claim.id, claim.attempt)
    return cell.run(step(cell.keys, name, number, "w", Report("step", **told), state))


def go_on(cell: Cell, claim: Claim, number: int = 2, need: Option = NEXT, *, worker: str = "w") -> Permit:
    return cell.run(next_step(cell.keys, (claim.id, claim.attempt), number, need, worker=worker))


def begin(
    cell: Cell, claim: Claim, index: int = 0, *, idempotent: bool = False, worker: str = "w"
) -> tuple[Begin, str]:
    """The tool calls of the first step."""
    name = (claim.id, claim.attempt)
    return cell.run(begin_tool(cell.keys, name, 1, index, idempotent=idempotent, worker=worker))


def end(cell: Cell, claim: Claim, result: str, *, worker: str = "w") -> None:
    cell.run(end_tool(cell.keys, (claim.id, claim.attempt), 1, 0, result, worker=worker))


def sums(cell: Cell, job_id: str) -> tuple[int, int]:
    """Known and unresolved cost; the same in record, ledger and the day's totals."""
    job = cell.job(job_id)
    lines = cell.run(reads.ledger(cell.keys))
    known, unresolved = sum(x.nano_usd for x in lines), sum(x.unresolved_nano_usd for x in lines)
    table = cell.run(reads.costs(cell.keys))
    assert (known, unresolved) == (job.cost_nano_usd, job.unresolved_nano_usd)
    assert (known, unresolved) == (table.nano_usd, table.unresolved_nano_usd)
    return known, unresolved
