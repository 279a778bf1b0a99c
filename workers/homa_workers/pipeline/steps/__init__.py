"""Answers that take several paid calls: tools run by the worker, answers that must fit a schema or were cut, many
embeddings.

    reserve → call → is it the answer? → if not: record the step → run tools or name what is wrong → again

Each call that does not bring the answer is a *step*: charged and journaled before anything else happens, so that any
later attempt (after a crash, at another target) goes on from the last one instead of paying again. `StepJournal` keeps
that law with the store; `chat` and `embedding` know what comes after what.
"""

from __future__ import annotations

from homa_shared.calls.request import EMBEDDING, JobRequest
from homa_workers.pipeline.steps.chat import Chat
from homa_workers.pipeline.steps.embedding import Embedding
from homa_workers.pipeline.steps.journal import StepJournal
from homa_workers.pipeline.steps.judged import Judged
from homa_workers.pipeline.steps.structured import schema_of

__all__ = ["Chat", "Embedding", "Judged", "StepJournal", "takes_steps"]


def takes_steps(request: JobRequest) -> bool:
    """Whether a request may take more than one call."""
    rules = request.steps
    return bool(
        request.kind == EMBEDDING
        or rules.tools
        or rules.on_cut != "keep"
        or schema_of(request.params) is not None
        or request.rules.rule is not None
        or request.rules.code
        or request.rules.judge is not None
    )
