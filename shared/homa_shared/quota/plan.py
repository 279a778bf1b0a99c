"""What has to be reserved at a provider before a call goes there: the plan of a target, by the fleet's settings.

Providers count tokens differently: OpenAI admits by the larger of max_tokens and its estimate, Azure charges the whole
max_tokens and never gives it back, Anthropic keeps input and output apart and counts no cache reads, Gemini counts
input only, Bedrock weighs output by a factor. `reservation` and `settlement` say it once, as pure functions over a
plan; the store's scripts only subtract the numbers that they are given.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from homa_shared.calls.reply import Usage
from homa_shared.kinds.registry import profile_of
from homa_shared.kinds.reserve_policy import ReservePolicy
from homa_shared.model.constants import BURST_MS
from homa_shared.model.limits import Limits
from homa_shared.model.patterns import most_specific
from homa_shared.model.targets import Target
from homa_shared.model.tokens import Tokens

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """What the store's scripts need to know to limit calls to one target."""

    target: Target
    #: The provider's kind: openai, azure, anthropic, ...
    kind: str
    #: The queue whose workers can call the target.
    queue: str
    #: Scope of concurrency and of the account's breaker.
    account_scope: str
    #: Scope of quota and freeze: `provider/model`, or `provider/pattern` for models that share one quota.
    quota_scope: str
    limits: Limits
    #: No limit is configured: the rate is found by additive increase, multiplicative decrease.
    adaptive: bool
    #: Most calls at once in the whole fleet.
    concurrency: int | None
    burst_ms: int
    #: IANA zone whose midnight begins a new requests-per-day window.
    rpd_zone: str
    reserve: ReservePolicy
    #: What one output token weighs in the quota (Bedrock).
    burndown: float = 1.0
    #: Most texts of one embeddings call; None: as its kind says.
    embedding_texts: int | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one call takes from each dimension of a quota."""

    requests: int = 1
    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens(self) -> Tokens:
        """What it takes of each token limit."""
        return Tokens(self.total_tokens, self.input_tokens, self.output_tokens)


def plan(fleet: Fleet, target: Target) -> TargetPlan:
    """The plan of a target, from the fleet's settings.

    Raises:
        ConfigError: the provider's kind is of a package that cannot be loaded.
        UnknownModel: the fleet has no provider of this name.
    """
    provider = fleet.provider(target)
    counted = profile_of(provider.kind).quota
    pattern = most_specific(target.model, provider.models)
    group = provider.models[pattern] if pattern is not None else None
    limits = provider.limits.quota if group is None else group.limits.quota.over(provider.limits.quota)
    burst_ms = (group.limits.burst_ms if group else None) or provider.limits.burst_ms or BURST_MS
    return TargetPlan(
        target=target,
        kind=provider.kind,
        queue=target.provider,
        account_scope=target.provider,
        # One quota however a job spells the model: providers do not tell GPT-4o from gpt-4o.
        quota_scope=f"{target.provider}/{(target.model if pattern is None else pattern).lower()}",
        limits=limits,
        adaptive=not limits.any and counted.adaptive,
        concurrency=provider.concurrency,
        burst_ms=burst_ms,
        rpd_zone=provider.rpd_zone or counted.day_zone,
        # A kind that only a newer release knows is still counted, by plain totals.
        reserve=counted.reserve,
        burndown=1.0 if group is None else group.burndown,
        embedding_texts=provider.embedding_texts,
    )


def reservation(
    plan: TargetPlan, input_tokens: int, expected_output_tokens: int, max_tokens: int | None
) -> Reservation:
    """What to take from the quota before a call.

    Args:
        input_tokens: estimate of the prompt.
        expected_output_tokens: what a reply usually has; used where the provider goes by what is really written.
        max_tokens: the cap sent with the call, None if none is sent.
    """
    output = expected_output_tokens if max_tokens is None else min(expected_output_tokens, max_tokens)
    cap = output if max_tokens is None else max_tokens
    match plan.reserve:
        case ReservePolicy.MAX_OF_TOTAL:
            return Reservation(1, max(cap, input_tokens + output), input_tokens, output)
        case ReservePolicy.PROMPT_AND_MAX | ReservePolicy.BURNDOWN:
            return Reservation(1, input_tokens + cap, input_tokens, cap)
        case ReservePolicy.INPUT_ONLY:
            return Reservation(1, input_tokens, input_tokens, 0)
        case _:
            return Reservation(1, input_tokens + output, input_tokens, output)


def settlement(plan: TargetPlan, usage: Usage, reserved: Reservation) -> Reservation:
    """What a call really took from the quota; its difference to `reserved` is given back, or owed.

    Args:
        usage: tokens that the reply reports.
        reserved: what was taken before the call; it stands where a provider refunds nothing.
    """
    fresh_input = max(0, usage.input_tokens - usage.cached_tokens)
    match plan.reserve:
        case ReservePolicy.PROMPT_AND_MAX:
            return reserved
        case ReservePolicy.SEPARATE:
            return Reservation(1, fresh_input + usage.output_tokens, fresh_input, usage.output_tokens)
        case ReservePolicy.INPUT_ONLY:
            return Reservation(1, usage.input_tokens, usage.input_tokens, 0)
        case ReservePolicy.BURNDOWN:
            weighed = ceil(usage.output_tokens * plan.burndown)
            return Reservation(1, fresh_input + weighed, fresh_input, weighed)
        case _:
            total = usage.input_tokens + usage.output_tokens
            return Reservation(1, total, usage.input_tokens, usage.output_tokens)


def exempts_cached(plan: TargetPlan) -> bool:
    """Whether tokens read from the provider's prompt cache do not count against its quota."""
    return plan.reserve in (ReservePolicy.SEPARATE, ReservePolicy.BURNDOWN)
