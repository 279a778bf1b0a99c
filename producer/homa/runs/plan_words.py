"""The plan of a resumed run, made and told in words, and why a run is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from homa.files.identity import PARTS, OrderDigest
from homa.files.writers.earlier import EarlierLines
from homa.files.writers.earlier_line import FAILED, INVALID, TRUNCATED
from homa.runs.inputs import RunInputs
from homa.runs.plan import CHANGED, EQUAL, LEFT_FAILED, NEW, OTHER_ORDER, VANISHED, Plan, Resumption
from homa.runs.row_request import RequestBuilder
from homa_shared.model.errors import InvalidRequest

_ASKED = {
    NEW: "new",
    CHANGED: "changed",
    OTHER_ORDER: "under another order",
    FAILED: "failed before",
    TRUNCATED: "cut before",
    INVALID: "invalid before",
}


def planned(
    earlier: EarlierLines,
    builder: RequestBuilder,
    order: OrderDigest,
    run_inputs: RunInputs,
    resumption: Resumption,
    *,
    output: str,
    inputs: Callable[[Mapping[str, Any]], str] = lambda fields: "",
) -> Plan:
    """The plan of a resumed run. Raises InvalidRequest for answers under another order that are not to be replaced."""
    plan = Plan(earlier, builder, order, retry=resumption.retry, inputs=inputs, older_ids=run_inputs.older_ids)
    try:
        plan.make(run_inputs.rows(), prune=resumption.prune, partial=run_inputs.partial)
        if plan.counts[OTHER_ORDER] and not resumption.changed:
            answers = f"{plan.counts[OTHER_ORDER]} answers of {output} were"
            raise other_order([part for part in PARTS if part in plan.differs], answers)
    except BaseException:
        plan.close()
        raise
    return plan


def told(plan: Plan, resumption: Resumption) -> str:
    """A small table: why rows are asked, and what becomes of the others."""
    rows = [(words, plan.counts[name], "asked") for name, words in _ASKED.items()]
    rows.append(("equal", plan.counts[EQUAL], _equal(plan)))
    rows.append(("failed before", plan.counts[LEFT_FAILED], "kept: --retry failed asks them anew"))
    rows.append((VANISHED, plan.vanished, _vanished(plan, resumption)))
    found = [(words, str(count), what) for words, count, what in rows if count or words in ("new", "changed", "equal")]
    wide, high = max(len(words) for words, *_ in found), max(len(count) for _, count, _ in found)
    lines = [f"  {words:{wide}}  {count:>{high}}  {what}" for words, count, what in found]
    notes = [f"  {note}" for note in _notes(plan)]
    return "\n".join(["rows and why they run:", *lines, *notes])


def _equal(plan: Plan) -> str:
    cut = f", {plan.cut} of them cut: --retry truncated asks them anew" if plan.cut else ""
    wrong = f", {plan.unverified} with quotes not found: --retry invalid asks them anew" if plan.unverified else ""
    return f"kept{cut}{wrong}"


def _vanished(plan: Plan, resumption: Resumption) -> str:
    names = ", ".join(plan.vanished_names) + (", …" if plan.vanished > len(plan.vanished_names) else "")
    return ("dropped" if resumption.prune else "kept in the output, --prune drops them") + f": {names}"


def _notes(plan: Plan) -> list[str]:
    notes = []
    if plan.unmarked:
        notes.append(
            f"{plan.unmarked} answers of an earlier release have no digests: taken for those of the rows that have "
            "their ids, and marked now"
        )
    if plan.unreadable:
        notes.append(f"{plan.unreadable} inputs cannot be read now: their answers are kept")
    return notes


def other_order(parts: Sequence[str], whose: str) -> InvalidRequest:
    """The error for a run that would mix answers to another question with those that are there.

    Args:
        parts: what differs.
        whose: what was made under the other order, and the verb.
    """
    return InvalidRequest(
        f"--resume: {whose} made under another order (changed: {', '.join(parts)}): give the same, use --changed to "
        "ask these rows anew and replace their answers, or choose another --output"
    )
