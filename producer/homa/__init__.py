"""Homa's client: submit LLM jobs, read their results, run batches of documents.

    from homa import Homa

    with Homa() as homa:
        job = homa.submit("Summarise: …", model="openai:gpt-5-mini")
        print(job.result(timeout=60).text)

Importing it connects to nothing, reads no settings and loads no provider's SDK.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from homa_shared.calls.reply import Usage
from homa_shared.model.errors import (
    BudgetExceeded,
    ConfigError,
    CountFailed,
    HomaError,
    InvalidReply,
    InvalidRequest,
    JobCancelled,
    JobEnded,
    JobExpired,
    JobFailed,
    JobNotFound,
    MissingExtra,
    ResultTimeout,
    StoreFull,
    StoreUnavailable,
    UnknownModel,
)

if TYPE_CHECKING:
    from homa.aclient import AsyncHoma
    from homa.ahandles import AsyncBatch, AsyncJob, AsyncOpenBatch
    from homa.batches import Line, Progress
    from homa.client import Homa
    from homa.embedding import Embedded
    from homa.handles import Batch, Job, OpenBatch
    from homa.outcomes import Failure, JobOverBudget, Reply
    from homa.streams import Piece
    from homa_shared.calls.tokens import Count
    from homa_shared.calls.tools import Tool, tool

__all__ = [
    "AsyncBatch",
    "AsyncHoma",
    "AsyncJob",
    "AsyncOpenBatch",
    "Batch",
    "BudgetExceeded",
    "ConfigError",
    "Count",
    "CountFailed",
    "Embedded",
    "Failure",
    "Homa",
    "HomaError",
    "InvalidReply",
    "InvalidRequest",
    "Job",
    "JobCancelled",
    "JobEnded",
    "JobExpired",
    "JobFailed",
    "JobNotFound",
    "JobOverBudget",
    "Line",
    "MissingExtra",
    "OpenBatch",
    "Piece",
    "Progress",
    "Reply",
    "ResultTimeout",
    "StoreFull",
    "StoreUnavailable",
    "Tool",
    "UnknownModel",
    "Usage",
    "tool",
]

#: Loaded at first use, so that an application that imports much starts fast.
_LAZY = {
    "AsyncBatch": "homa.ahandles",
    "AsyncHoma": "homa.aclient",
    "AsyncJob": "homa.ahandles",
    "AsyncOpenBatch": "homa.ahandles",
    "Batch": "homa.handles",
    "Count": "homa_shared.calls.tokens",
    "Embedded": "homa.embedding",
    "Failure": "homa.outcomes",
    "Homa": "homa.client",
    "Job": "homa.handles",
    "JobOverBudget": "homa.outcomes",
    "Line": "homa.batches",
    "OpenBatch": "homa.handles",
    "Piece": "homa.streams",
    "Progress": "homa.batches",
    "Reply": "homa.outcomes",
    "Tool": "homa_shared.calls.tools",
    "tool": "homa_shared.calls.tools",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value
