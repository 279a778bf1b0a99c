"""Documents of what does work: `homa run`, `ask`, `embed`, `count` and `demo`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict


class RunDocument(TypedDict):
    """Counts of the whole run, parts before a resumption included."""

    batch: str | None
    total: int
    #: Of each way in which a resumed run has dealt with them.
    rows: dict[str, int]
    succeeded: int
    failed: int
    #: Reason -> inputs that were skipped for it.
    skipped: dict[str, int]
    cancelled: int
    expired: int
    #: Answers that were cut at their output cap, and those among them without any text.
    cut: int
    cut_empty: int
    #: Answers with quotes that their texts do not have, where `--cite` asks for them.
    unverified: int
    #: Quotes of the answers that this run got: `verified`, `unverified`, `unchecked`; `uncited`: answers without any.
    quotes: dict[str, int]
    cost_usd: str
    unresolved_usd: str
    unpriced_jobs: int
    seconds: float
    output: str


class DetachedRunDocument(TypedDict):
    batch: str
    total: int


class LongWayDocument(TypedDict):
    """What documents above the window would cost in one way of dealing with them."""

    documents: int
    calls: int
    input_tokens: int
    output_tokens: int
    expected_usd: str | None
    most_usd: str | None


class LongDocument(TypedDict):
    #: Documents above the window.
    rows: int
    #: Tokens of the window; null: nobody knows it.
    window: int | None
    largest: str | None
    #: The one that is chosen.
    way: str
    ways: dict[str, LongWayDocument]


class DryRunDocument(TypedDict):
    rows: int
    bad_rows: int
    skipped: dict[str, int]
    input_tokens: int
    output_tokens: int
    #: null: a price is not known.
    expected_usd: str | None
    most_usd: str | None
    unpriced_rows: int
    output_cap: int | None
    output_cap_by: Literal["homa", "caller"] | None
    #: null: no limit is configured.
    seconds_at_limits: float | None
    first_messages: Sequence[Mapping[str, Any]] | None
    #: null: inputs are not held against a window.
    long: LongDocument | None


class FlowStepCostDocument(TypedDict):
    """What one step of a flow would take, where every answer passes every filter and none fails."""

    kind: str
    #: How often it is done; null here and below: nobody knows before it runs.
    times: int | None
    #: Calls of its model, and of its judge.
    calls: int | None
    verdicts: int | None
    input_tokens: int | None
    output_tokens: int | None
    #: null: not known, or a price is not.
    expected_usd: str | None
    most_usd: str | None
    #: Whether filters stand before it, so that it may be done less often.
    at_most: bool
    #: Targets whose price is not known.
    unpriced: list[str]
    #: What is not known of it, or not counted, in words.
    unknown: list[str]
    first_messages: Sequence[Mapping[str, Any]] | None


class FlowDryRunDocument(TypedDict):
    """Sums are of the steps of which they are known; dollars are null where they are not known of one."""

    flow: str
    inputs: int
    bad_inputs: int
    skipped: dict[str, int]
    steps: dict[str, FlowStepCostDocument]
    calls: int
    input_tokens: int
    output_tokens: int
    expected_usd: str | None
    most_usd: str | None
    #: null: a model has no configured limit.
    seconds_at_limits: float | None
    unknown: list[str]


class FlowRunResultDocument(TypedDict):
    run: str
    total: int
    succeeded: int
    failed: int
    cost_usd: str | None
    unresolved_usd: str | None
    output: str


class ReplyDocument(TypedDict):
    job: str
    text: str
    provider: str
    model: str
    finish_reason: str | None
    attempts: int
    cached: bool
    cost_usd: str | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    #: null: it came from the cache.
    latency_ms: int | None
    #: Of --schema alone: the answer as it was validated.
    parsed: NotRequired[Any]


class EmbeddedTextsDocument(TypedDict):
    texts: int
    cached: int
    skipped: int
    failed: int
    input_tokens: int
    cost_usd: str
    unpriced_jobs: int
    output: str


class CountDocument(TypedDict):
    tokens: int
    exact: bool
    model: str
    #: encoding, estimate, or the provider that counted.
    by: str
    #: Of estimates alone.
    factor: NotRequired[float]
    learned_from: NotRequired[int]


class BalanceDocument(TypedDict):
    provider: str
    calls: int
    known_usd: str
    unresolved_usd: str
    bill_usd: str
    ok: bool


class QuotaDocument(TypedDict):
    scope: str
    rpm: int
    used_rpm: float


class PromiseDocument(TypedDict):
    check: str
    ok: bool
    detail: str


class DemoDocument(TypedDict):
    ok: bool
    documents: int
    succeeded: int
    failed: int
    results: int
    calls: int
    #: How often the simulated providers misbehaved, by kind.
    faults: dict[str, int]
    retried: int
    rerouted: int
    recovered: int
    rate_limited: int
    unresolved_attempts: int
    providers: list[BalanceDocument]
    quotas: list[QuotaDocument]
    checks: list[PromiseDocument]
    seconds: float
