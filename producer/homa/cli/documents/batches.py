"""Documents of `homa batches` and `homa flow`."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict


class BatchDocument(TypedDict):
    batch: str
    state: str
    #: null: not all of its lines are submitted yet.
    total: int | None
    submitted: int
    succeeded: int
    failed: int
    cancelled: int
    expired: int
    cost_usd: str | None
    unresolved_usd: str | None
    cache_saved_usd: str | None
    unpriced_jobs: int
    seconds: float | None
    paused: bool
    paused_why: str | None
    cancelling: bool
    cancelled_why: str | None
    name: str | None
    tenant: str
    cap_usd: str | None
    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    created_ms: int
    completed_ms: int | None


class ShownBatchDocument(BatchDocument):
    #: What stands between its file and its next lines or answers; null for nothing.
    waits_for: str | None


class BatchesDocument(TypedDict):
    batches: list[BatchDocument]


class FlowRunDocument(TypedDict):
    run: str
    flow: str
    state: str
    jobs: int
    succeeded: int
    failed: int
    cancelled: int
    expired: int
    cost_usd: str | None


class FlowRunsDocument(TypedDict):
    runs: list[FlowRunDocument]


class FlowStepDocument(TypedDict):
    made: int
    succeeded: int
    failed: int
    cancelled: int
    expired: int
    absent: int
    passed: int


class FlowQuestionDocument(TypedDict):
    """A step that waits for an answer from outside."""

    token: str
    step: str
    #: Number of its input, `3`, or of a part of that, `3.0`; empty for all inputs together.
    item: str
    text: str
    #: JSON schema that the answer must fit; null: any text or JSON will do.
    schema: dict[str, Any] | None
    expires_ms: int
    job: str


class ShownFlowRunDocument(TypedDict):
    run: str
    flow: str
    state: str
    cancelled: bool
    cancelled_why: str | None
    #: Why it is paused; null: it is not.
    paused: str | None
    inputs: int
    cost_usd: str | None
    unresolved_usd: str | None
    steps: dict[str, FlowStepDocument]
    questions: list[FlowQuestionDocument]
    definition: dict[str, Any]


class FlowFileDocument(TypedDict):
    """The definition of a flow that stands in a file."""

    name: str
    steps: list[dict[str, Any]]
