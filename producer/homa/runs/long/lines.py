"""The line of a document that was asked about in parts: one answer, and the sums of all its calls."""

from __future__ import annotations

from dataclasses import replace

from homa.client.flows.outcomes import FlowResult
from homa.client.flows.spending import Spending
from homa.client.result_documents import answered, unanswered
from homa.client.results import Failure, Reply
from homa.files import Row, result_line
from homa.files.result_line import HomaPart
from homa.runs.result_lines import ResultLine
from homa_shared.calls.reply import is_cut, says_nothing
from homa_shared.model.records import State


def long_line(row: Row, digest: str, order: str, way: str, found: FlowResult, spent: Spending) -> ResultLine:
    """The line of a document.

    Args:
        digest: of the row, under the digest of the order.
        found: what the run of a flow has made of it; its answer is that of the one last step.
        spent: what all its calls came to.
    """
    (answer,) = found.answers.values()
    if isinstance(answer, Reply):
        made = answered(answer)
        told = _summed(made.homa, row, digest, order, way, spent)
        usage = {"prompt_tokens": spent.input_tokens, "completion_tokens": spent.output_tokens}
        body = {**made.body, "usage": {**usage, "total_tokens": sum(usage.values())}}
        document = result_line(row.custom_id, replace(made, body=body, homa=told))
        cut = is_cut(answer.body)
        return ResultLine(
            0, row.custom_id, State.SUCCEEDED, "", "", document, cut=cut, empty=cut and says_nothing(answer.body)
        )
    assert isinstance(answer, Failure)
    failed = unanswered(answer, spent.nano_usd)
    told = _summed(failed.homa, row, digest, order, way, spent)
    document = result_line(row.custom_id, replace(failed, homa=told))
    state = State.FAILED if answer.state is State.SUCCEEDED else answer.state
    return ResultLine(0, row.custom_id, state, answer.kind, answer.message, document)


def _summed(part: HomaPart, row: Row, digest: str, order: str, way: str, spent: Spending) -> HomaPart:
    note = f"longer than the model's window: put together of {spent.jobs} answers about its parts (--long {way})"
    return replace(
        part,
        attempts=spent.attempts,
        cost_nano_usd=None if spent.unpriced else spent.nano_usd,
        row=digest,
        order=order,
        notes=(*row.notes, note, *part.notes),
    )
