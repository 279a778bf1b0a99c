"""Documents of `homa jobs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired

from typing_extensions import TypedDict

from homa_shared.model.records import State


class JobDocument(TypedDict):
    job: str
    state: State
    queue: str
    lane: str
    #: `provider:model`, or a pool: where it is now.
    target: str
    tenant: str
    batch: str | None
    custom_id: str | None
    tags: Mapping[str, str]
    #: Number of its latest attempt; 0 before the first.
    attempt: int
    worker: str | None
    waits_for: str | None
    submitted_ms: int
    due_ms: int | None
    deadline_ms: int | None
    ended_ms: int | None
    cost_usd: str | None
    unresolved_usd: str | None
    cache_saved_usd: str | None
    turn: str | None
    retry_of: str | None
    retried_by: str | None


class ListedJobDocument(JobDocument):
    error: str | None


class JobsDocument(TypedDict):
    jobs: list[ListedJobDocument]


class PaidDocument(TypedDict):
    #: What it was served on; null for the standard tier.
    tier: str | None
    #: Units billed beside tokens, and how many of each.
    fees: dict[str, int]
    #: null: its price is not known.
    cost_usd: str | None
    unresolved_usd: str | None
    cache_saved_usd: str | None


class AttemptDocument(PaidDocument):
    attempt: int
    target: str
    outcome: str
    charge: str
    worker: str
    started_ms: int
    ended_ms: int
    error: str
    note: dict[str, Any]


class StepDocument(PaidDocument):
    step: int
    attempt: int
    target: str
    at_ms: int
    input_tokens: int
    output_tokens: int


class PastWaitDocument(TypedDict):
    #: The attempt that it came before; null where none has ended since.
    attempt: int | None
    wait_ms: int
    #: A limit (rpm, tpm, itpm, otpm, rpd, concurrency, frozen), breaker, budget, batch, pause, follow or token.
    kind: str
    #: The scope of the limit, the budget, …
    name: str


class ShownJobDocument(JobDocument):
    #: What held it for a second or longer, and holds it no more.
    waited: list[PastWaitDocument]
    attempts: list[AttemptDocument]
    steps: list[StepDocument]
    #: As they are stored: a request of Homa, and a reply whose body is a chat completion.
    request: dict[str, Any] | None
    reply: dict[str, Any] | None


class MomentDocument(TypedDict):
    #: null: it is so now, or nobody knows when it was.
    at_ms: int | None
    what: str
    detail: str


class TraceDocument(TypedDict):
    job: str
    state: State
    moments: list[MomentDocument]
    prompt: str
    answer: str


class HoldDocument(TypedDict):
    kind: str
    name: str
    wait_ms: int | None
    detail: str
    #: Which limit of the scope there is to wait for; null where it is none.
    limit: str | None


class WhyDocument(TypedDict):
    job: str
    state: State
    holds: list[HoldDocument]
    live_workers: int


class AnswerDocument(TypedDict):
    job: str
    answer: str
    #: Of `retry` alone.
    retried_by: NotRequired[str | None]


class AnswersDocument(TypedDict):
    """What became of each job that was named."""

    jobs: list[AnswerDocument]


class CancelledDocument(TypedDict):
    """How many of those that a filter found were cancelled."""

    cancelled: int
    #: Running ones, which their workers stop.
    cancelling: int


class RetriedDocument(TypedDict):
    """How many of those that a filter found were retried, and how many were not, by reason."""

    retried: int
    unknown: NotRequired[int]
    succeeded: NotRequired[int]
    damaged: NotRequired[int]
    request_gone: NotRequired[int]
    request_newer: NotRequired[int]
    provider_gone: NotRequired[int]
    batch_gone: NotRequired[int]
    batch_cancelled: NotRequired[int]
    conversation_gone: NotRequired[int]
    conversation_went_on: NotRequired[int]
    node_of_a_flow: NotRequired[int]
    id_taken: NotRequired[int]


class PurgedDocument(TypedDict):
    purged: int
    kept_for_their_unresolved_cost: NotRequired[int]


class UnresolvedDocument(TypedDict):
    #: `job:number`.
    attempt: str
    since_ms: int
    target: str | None
    outcome: str | None
    unresolved_usd: str | None
    request_id: str | None


class UnresolvedListDocument(TypedDict):
    unresolved: list[UnresolvedDocument]
