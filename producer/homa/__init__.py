"""Homa's client: submit LLM jobs, read their results, run batches of documents.

    from homa import Homa

    with Homa() as homa:
        job = homa.submit("Summarise: …", model="openai:gpt-6-luna")
        print(job.result(timeout=60).text)

Importing it connects to nothing, reads no settings and loads no provider's SDK.
"""

from __future__ import annotations

import warnings
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
from homa_shared.namesake import REMEDY, beside

if TYPE_CHECKING:
    from homa.client.aio import AsyncHoma
    from homa.client.aio_handles import AsyncBatch, AsyncJob, AsyncOpenBatch
    from homa.client.batch_lines import Line
    from homa.client.batch_progress import Progress
    from homa.client.embeddings import Embedded
    from homa.client.handles import Batch, Job, OpenBatch
    from homa.client.results import Failure, JobOverBudget, Reply
    from homa.client.streams import Piece
    from homa.client.sync import Homa
    from homa.submit.job_options import EmbeddingOptions, JobOptions
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
    "EmbeddingOptions",
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
    "JobOptions",
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
    "AsyncBatch": "homa.client.aio_handles",
    "AsyncHoma": "homa.client.aio",
    "AsyncJob": "homa.client.aio_handles",
    "AsyncOpenBatch": "homa.client.aio_handles",
    "Batch": "homa.client.handles",
    "Count": "homa_shared.calls.tokens",
    "Embedded": "homa.client.embeddings",
    "EmbeddingOptions": "homa.submit.job_options",
    "Failure": "homa.client.results",
    "Homa": "homa.client.sync",
    "Job": "homa.client.handles",
    "JobOptions": "homa.submit.job_options",
    "JobOverBudget": "homa.client.results",
    "Line": "homa.client.batch_lines",
    "OpenBatch": "homa.client.handles",
    "Piece": "homa.client.streams",
    "Progress": "homa.client.batch_progress",
    "Reply": "homa.client.results",
    "Tool": "homa_shared.calls.tools",
    "tool": "homa_shared.calls.tools",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value


def _tell_of_namesake() -> None:
    """Both projects in one folder work until either is uninstalled or upgraded: better told at once."""
    other = beside(__path__[0])
    if other is not None:
        warnings.warn(
            f"another project's distribution, {other}, is installed here and shares the package homa: {REMEDY}",
            RuntimeWarning,
            stacklevel=3,
        )


_tell_of_namesake()
