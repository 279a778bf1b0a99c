"""The output cap that Homa sets where neither request nor alias does: of a model, at the limits of its account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_shared.kinds.output_caps import ANY_OUTPUT, PLAIN, OutputFamily, default_cap, output_family
from homa_shared.kinds.reserve_policy import ReservePolicy
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.quota.call_parts import most_replies
from homa_shared.quota.plan import TargetPlan

#: Policies by which a provider counts the whole cap against its limits before anything is written.
_COUNTS_CAP = frozenset({ReservePolicy.MAX_OF_TOTAL, ReservePolicy.PROMPT_AND_MAX, ReservePolicy.BURNDOWN})
#: A counted cap is no more than so many times what an answer has: lengths of thinking differ widely from job to job.
_TIMES_MEAN = 8
#: Most that is asked of a model of which nobody knows how much it can write, tokens.
_MOST_OF_UNKNOWN = 16_384


def own_cap(plan: TargetPlan, prices: PriceBook, params: Mapping[str, Any], answer_tokens: int | None = None) -> int:
    """Most output tokens of a call to a target that sets no cap.

    A provider that counts the cap at receipt admits no more calls a minute than fit into its quota by their caps,
    whatever they write. There the cap takes no more than a part of that quota and, once replies have told how much the
    target writes, no more than some times that: more calls fit then, at a cap that few answers reach.

    Args:
        params: in OpenAI's names.
        answer_tokens: what one answer of the target has, as learned from replies; None while nobody knows.
    """
    window, quota = prices.context_window(plan.target), _counted_quota(plan, params)
    cap = default_cap(_named(prices, plan.target), params, window=window, counted_quota=quota)
    if quota is None or answer_tokens is None:
        return cap
    return min(cap, max(PLAIN, answer_tokens * _TIMES_MEAN))


def most_cap(plan: TargetPlan, prices: PriceBook, params: Mapping[str, Any]) -> int:
    """Most output tokens that may be asked of a target in one call: what its model can write, and its limits admit."""
    counted = _counted_quota(plan, params)
    limits = (prices.context_window(plan.target), counted)
    most = _family(prices, plan.target).most or _MOST_OF_UNKNOWN
    return min([most, *(limit // 2 for limit in limits if limit is not None)])


def thinks_first(prices: PriceBook, target: Target, params: Mapping[str, Any]) -> bool:
    """Whether a target's model thinks, which counts towards the cap."""
    return _family(prices, target).thinks(params)


def _counted_quota(plan: TargetPlan, params: Mapping[str, Any]) -> int | None:
    """Tokens a minute for each answer of a call, where the provider counts the cap against them; else None."""
    if plan.reserve not in _COUNTS_CAP:
        return None
    limits = [limit for limit in (plan.limits.tpm, plan.limits.output_tpm) if limit is not None]
    return min(limits) // most_replies(params) if limits else None


def _family(prices: PriceBook, target: Target) -> OutputFamily:
    return output_family(_named(prices, target))


def _named(prices: PriceBook, target: Target) -> str:
    """The name by which its model is known: deployments may have any."""
    names = prices.model_names(target)
    return next((name for name in names if output_family(name) is not ANY_OUTPUT), target.model)
