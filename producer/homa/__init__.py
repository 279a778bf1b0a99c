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
    AnswerRefused,
    BudgetExceeded,
    ConfigError,
    ConversationForbidden,
    ConversationFull,
    ConversationNotFound,
    CountFailed,
    HomaError,
    InvalidReply,
    InvalidRequest,
    JobCancelled,
    JobEnded,
    JobExpired,
    JobFailed,
    JobNotFound,
    KeyConflict,
    MissingExtra,
    ResultTimeout,
    SealedPayload,
    StaleTurn,
    StoreFull,
    StoreUnavailable,
    TurnPending,
    UnknownModel,
)
from homa_shared.namesake import REMEDY, beside

if TYPE_CHECKING:
    #: Of the installed distribution.
    __version__: str

    from homa.client.aio import AsyncHoma
    from homa.client.aio_handles import AsyncBatch, AsyncJob, AsyncOpenBatch
    from homa.client.batch_lines import AnsweredLine, FailedLine, Line
    from homa.client.batch_progress import Progress
    from homa.client.conversations.aio_handle import AsyncConversation
    from homa.client.conversations.handle import Conversation
    from homa.client.conversations.info import ConversationInfo
    from homa.client.conversations.turns import Turn
    from homa.client.conversations.window import Window
    from homa.client.embeddings import Embedded
    from homa.client.file_results import FileResult, FilesProgress, FilesSummary, RunStopped
    from homa.client.file_streams import AsyncFileResults, FileResults
    from homa.client.flows.aio_handle import AsyncFlowRun
    from homa.client.flows.estimates import FlowEstimate, StepEstimate
    from homa.client.flows.handle import FlowRun
    from homa.client.flows.outcomes import FlowProgress, FlowResult, StepProgress
    from homa.client.flows.waits import Question
    from homa.client.handles import Batch, Job, OpenBatch
    from homa.client.management.batches import BatchInfo
    from homa.client.management.budgets import BudgetInfo
    from homa.client.management.costs import CostRow, Costs
    from homa.client.management.estimates import Estimate
    from homa.client.management.event_handlers import DeadEvent, EventHandlerInfo
    from homa.client.management.jobs import JobInfo
    from homa.client.management.limits import EstimateError, LimitInfo, Limits
    from homa.client.management.long_estimates import LongEstimate, WayEstimate
    from homa.client.management.queues import QueueInfo
    from homa.client.management.resolutions import Unresolved
    from homa.client.management.retries import Retries
    from homa.client.management.why import Hold, Why
    from homa.client.management.workers import WorkerInfo
    from homa.client.results import Failure, JobOverBudget, Reply
    from homa.client.streams import Piece
    from homa.client.sync import Homa
    from homa.client.tables.aio_table import AsyncTable
    from homa.client.tables.answers import RowFailure
    from homa.client.tables.table import Table
    from homa.files.citing.quotes import FoundQuote, find_quotes
    from homa.flows.flow import Flow
    from homa.submit.job_options import EmbeddingOptions, JobOptions
    from homa_shared.calls.tokens import Count
    from homa_shared.calls.tools import Tool, tool
    from homa_shared.model.event_handlers import on

__all__ = [
    "AnswerRefused",
    "AnsweredLine",
    "AsyncBatch",
    "AsyncConversation",
    "AsyncFileResults",
    "AsyncFlowRun",
    "AsyncHoma",
    "AsyncJob",
    "AsyncOpenBatch",
    "AsyncTable",
    "Batch",
    "BatchInfo",
    "BudgetExceeded",
    "BudgetInfo",
    "ConfigError",
    "Conversation",
    "ConversationForbidden",
    "ConversationFull",
    "ConversationInfo",
    "ConversationNotFound",
    "CostRow",
    "Costs",
    "Count",
    "CountFailed",
    "DeadEvent",
    "Embedded",
    "EmbeddingOptions",
    "Estimate",
    "EstimateError",
    "EventHandlerInfo",
    "FailedLine",
    "Failure",
    "FileResult",
    "FileResults",
    "FilesProgress",
    "FilesSummary",
    "Flow",
    "FlowEstimate",
    "FlowProgress",
    "FlowResult",
    "FlowRun",
    "FoundQuote",
    "Hold",
    "Homa",
    "HomaError",
    "InvalidReply",
    "InvalidRequest",
    "Job",
    "JobCancelled",
    "JobEnded",
    "JobExpired",
    "JobFailed",
    "JobInfo",
    "JobNotFound",
    "JobOptions",
    "JobOverBudget",
    "KeyConflict",
    "LimitInfo",
    "Limits",
    "Line",
    "LongEstimate",
    "MissingExtra",
    "OpenBatch",
    "Piece",
    "Progress",
    "Question",
    "QueueInfo",
    "Reply",
    "ResultTimeout",
    "Retries",
    "RowFailure",
    "RunStopped",
    "SealedPayload",
    "StaleTurn",
    "StepEstimate",
    "StepProgress",
    "StoreFull",
    "StoreUnavailable",
    "Table",
    "Tool",
    "Turn",
    "TurnPending",
    "UnknownModel",
    "Unresolved",
    "Usage",
    "WayEstimate",
    "Why",
    "Window",
    "WorkerInfo",
    "__version__",
    "find_quotes",
    "on",
    "tool",
]

#: Loaded at first use, so that an application that imports much starts fast.
_LAZY = {
    "AnsweredLine": "homa.client.batch_lines",
    "AsyncBatch": "homa.client.aio_handles",
    "AsyncConversation": "homa.client.conversations.aio_handle",
    "AsyncFileResults": "homa.client.file_streams",
    "AsyncFlowRun": "homa.client.flows.aio_handle",
    "AsyncHoma": "homa.client.aio",
    "AsyncJob": "homa.client.aio_handles",
    "AsyncOpenBatch": "homa.client.aio_handles",
    "AsyncTable": "homa.client.tables.aio_table",
    "Batch": "homa.client.handles",
    "BatchInfo": "homa.client.management.batches",
    "BudgetInfo": "homa.client.management.budgets",
    "Conversation": "homa.client.conversations.handle",
    "ConversationInfo": "homa.client.conversations.info",
    "CostRow": "homa.client.management.costs",
    "Costs": "homa.client.management.costs",
    "Count": "homa_shared.calls.tokens",
    "DeadEvent": "homa.client.management.event_handlers",
    "Embedded": "homa.client.embeddings",
    "EmbeddingOptions": "homa.submit.job_options",
    "Estimate": "homa.client.management.estimates",
    "EstimateError": "homa.client.management.limits",
    "EventHandlerInfo": "homa.client.management.event_handlers",
    "FailedLine": "homa.client.batch_lines",
    "Failure": "homa.client.results",
    "FileResult": "homa.client.file_results",
    "FileResults": "homa.client.file_streams",
    "FilesProgress": "homa.client.file_results",
    "FilesSummary": "homa.client.file_results",
    "Flow": "homa.flows.flow",
    "FlowEstimate": "homa.client.flows.estimates",
    "FlowProgress": "homa.client.flows.outcomes",
    "FlowResult": "homa.client.flows.outcomes",
    "FlowRun": "homa.client.flows.handle",
    "FoundQuote": "homa.files.citing.quotes",
    "Hold": "homa.client.management.why",
    "Homa": "homa.client.sync",
    "Job": "homa.client.handles",
    "JobInfo": "homa.client.management.jobs",
    "JobOptions": "homa.submit.job_options",
    "JobOverBudget": "homa.client.results",
    "LimitInfo": "homa.client.management.limits",
    "Limits": "homa.client.management.limits",
    "LongEstimate": "homa.client.management.long_estimates",
    "Line": "homa.client.batch_lines",
    "OpenBatch": "homa.client.handles",
    "Piece": "homa.client.streams",
    "Progress": "homa.client.batch_progress",
    "Question": "homa.client.flows.waits",
    "QueueInfo": "homa.client.management.queues",
    "Reply": "homa.client.results",
    "Retries": "homa.client.management.retries",
    "RunStopped": "homa.client.file_results",
    "RowFailure": "homa.client.tables.answers",
    "StepEstimate": "homa.client.flows.estimates",
    "StepProgress": "homa.client.flows.outcomes",
    "Table": "homa.client.tables.table",
    "Tool": "homa_shared.calls.tools",
    "Turn": "homa.client.conversations.turns",
    "Unresolved": "homa.client.management.resolutions",
    "Why": "homa.client.management.why",
    "WayEstimate": "homa.client.management.long_estimates",
    "Window": "homa.client.conversations.window",
    "WorkerInfo": "homa.client.management.workers",
    "find_quotes": "homa.files.citing.quotes",
    "on": "homa_shared.model.event_handlers",
    "tool": "homa_shared.calls.tools",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    """Of the installed distribution; 0 where the packages lie on the path without one."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("homa-queue")
    except PackageNotFoundError:
        return "0"


def _public_names() -> None:
    """Errors are told by the names under which applications catch them: `homa.UnknownModel: …`."""
    for name in __all__:
        found = globals().get(name)
        if isinstance(found, type) and issubclass(found, HomaError):
            found.__module__ = __name__


def _tell_of_namesake() -> None:
    """Both projects in one folder work until either is uninstalled or upgraded: better told at once."""
    other = beside(__path__[0])
    if other is not None:
        warnings.warn(
            f"another project's distribution, {other}, is installed here and shares the package homa: {REMEDY}",
            RuntimeWarning,
            stacklevel=3,
        )


_public_names()
_tell_of_namesake()
