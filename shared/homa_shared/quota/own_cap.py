"""The output cap that Homa sets where neither request nor alias does: of a model, at the limits of its account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_shared.kinds.output_caps import ANY_OUTPUT, OutputFamily, default_cap, output_family
from homa_shared.kinds.reserve_policy import ReservePolicy
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.quota.plan import TargetPlan

#: Policies by which a provider counts the whole cap against its limits before anything is written.
_COUNTS_CAP = frozenset({ReservePolicy.MAX_OF_TOTAL, ReservePolicy.PROMPT_AND_MAX, ReservePolicy.BURNDOWN})


def own_cap(plan: TargetPlan, prices: PriceBook, params: Mapping[str, Any]) -> int:
    """Most output tokens of a call to a target that sets no cap.

    A cap that the provider counts at receipt takes no more than a part of a minute's quota: otherwise few calls, or
    none, would fit into it.

    Args:
        params: in OpenAI's names.
    """
    quota = None
    if plan.reserve in _COUNTS_CAP:
        limits = [limit for limit in (plan.limits.tpm, plan.limits.output_tpm) if limit is not None]
        quota = min(limits) // int(params.get("n") or 1) if limits else None
    window = prices.context_window(plan.target)
    return default_cap(_named(prices, plan.target), params, window=window, counted_quota=quota)


def most_output(prices: PriceBook, target: Target) -> int | None:
    """Most tokens that a target's model writes in one call; None where nobody knows."""
    return _family(prices, target).most


def thinks_first(prices: PriceBook, target: Target, params: Mapping[str, Any]) -> bool:
    """Whether a target's model thinks, which counts towards the cap."""
    return _family(prices, target).thinks(params)


def _family(prices: PriceBook, target: Target) -> OutputFamily:
    return output_family(_named(prices, target))


def _named(prices: PriceBook, target: Target) -> str:
    """The name by which its model is known: deployments may have any."""
    names = prices.model_names(target)
    return next((name for name in names if output_family(name) is not ANY_OUTPUT), target.model)
