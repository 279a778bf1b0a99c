"""What the targets of a fleet can do, and why one of them cannot do a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from homa_shared.calls.openai_apis import TIERS_APART
from homa_shared.calls.reply import RESPONSES_API
from homa_shared.capabilities.media_limits import media_lack
from homa_shared.capabilities.model_ends import unreachable
from homa_shared.capabilities.request_needs import Needs
from homa_shared.kinds import schema_limits
from homa_shared.kinds.features import SPOKEN, Feature
from homa_shared.kinds.parameter_rules import prefill_lack, refusal
from homa_shared.model.targets import Target

if TYPE_CHECKING:
    from homa_shared.pricing.price_book import PriceBook
    from homa_shared.settings.fleet import Fleet
    from homa_shared.settings.sections import ModelAlias

#: Share of an estimated prompt that must exceed a context window before a target is passed over for it.
SURELY = 0.7


class Capabilities:
    """What the targets of a fleet can do.

    Args:
        fleet: its aliases' `capabilities` stand above what is known of models.
        prices: knows context windows.
    """

    def __init__(self, fleet: Fleet, prices: PriceBook) -> None:
        self._fleet, self._prices = fleet, prices

    def offers(self, target: Target, feature: Feature) -> bool:
        """Whether a target can do something, as far as is known."""
        said = self._said(target)
        if said is not None and feature not in (Feature.CHAT, Feature.STREAM, Feature.IMAGE_URL):
            return feature in said and feature in self._fleet.profile(target).features
        return feature in self._fleet.profile(target).features

    def features(self, target: Target) -> tuple[Feature, ...]:
        """All that a target can do, as far as is known."""
        if self.misfit(target, embeds=False):
            return (Feature.EMBEDDINGS,)
        lacking = {Feature.EMBEDDINGS} if self.misfit(target, embeds=True) else set()
        if self._blind(target):
            lacking |= {Feature.VISION, Feature.IMAGE_URL}
        return tuple(feature for feature in Feature if feature not in lacking and self.offers(target, feature))

    def misfit(self, target: Target, *, embeds: bool) -> str | None:
        """Why a target's model is of the wrong sort, for chat or for embeddings; None where nobody knows better."""
        if embeds and not self.offers(target, Feature.EMBEDDINGS):
            return "it has no embeddings"
        if self._said(target) is not None:
            return None
        names = self._fleet.profile(target).model_names
        if not embeds:
            return f"{target.model} only embeds" if names.only_embeds(target.model) else None
        return f"{target.model} has no embeddings" if names.only_chats(target.model) else None

    def gone(self, target: Target) -> str | None:
        """Says so where whoever calls a target's model is answered by 404; None where nobody knows, or knows better."""
        why = unreachable(self._fleet, target)
        return None if why is None or self._said(target) is not None else why

    def tier_lack(self, target: Target, tier: object, *, embeds: bool) -> str | None:
        """Why a target cannot serve a call by a service tier; None where it can, or nobody knows."""
        if tier not in TIERS_APART:
            return None
        if embeds:
            return f"it has no {tier} tier for embeddings"
        billing = self._fleet.profile(target).billing
        if billing.service_tiers is not None and tier not in billing.service_tiers:
            return f"it has no {tier} tier"
        return f"{target.model} has no {tier} tier" if billing.withholds_tier(target.model, str(tier)) else None

    def refusal(self, target: Target, params: Mapping[str, Any]) -> str | None:
        """What a request's parameters ask for that a target's model cannot do; None where nobody knows better."""
        return refusal(self._fleet.family(target), target.model, params)

    def schema_lack(self, target: Target, schema: Mapping[str, Any]) -> str | None:
        """What a schema has that a target's structured output does not express; None where it expresses all."""
        return schema_limits.lack(self._fleet.profile(target).schemas, schema)

    def prefill_lack(self, target: Target, messages: Sequence[Mapping[str, Any]]) -> str | None:
        """Says so where messages end with the beginning of an answer that a target's model does not go on from."""
        return prefill_lack(self._fleet.family(target), target.model, messages)

    def has_responses(self, target: Target) -> bool:
        """Whether a target can be called by OpenAI's Responses API."""
        return self._fleet.profile(target).responses_api

    def context_window(self, target: Target) -> int | None:
        """Tokens of prompt and reply together; None where nobody says."""
        return self._prices.context_window(target)

    def lack(self, target: Target, needs: Needs, tokens: int | None = None) -> str | None:
        """Why a target cannot do a job; None where it can.

        Args:
            tokens: estimate of the prompt, for the context window; None where nobody has counted.
        """
        if not needs.plain and (
            lack := self._api(target, needs)
            or self._feature(target, needs)
            or media_lack(needs.media, self._fleet.profile(target).media)
        ):
            return lack
        if tokens is None:
            return None
        window = self.context_window(target)
        if window is not None and tokens * SURELY > window:
            return f"its context window is {window} tokens, and the prompt has about {tokens}"
        return None

    def _api(self, target: Target, needs: Needs) -> str | None:
        if needs.api != RESPONSES_API:
            return None
        if not self.has_responses(target):
            return f"it has no Responses API, which {needs.by_responses} needs" if needs.by_responses else None
        return "its Responses API takes no audio" if Feature.AUDIO in needs.features else None

    def _feature(self, target: Target, needs: Needs) -> str | None:
        for feature in sorted(needs.features):
            if not self.offers(target, feature):
                where = f" ({needs.first_url})" if feature is Feature.IMAGE_URL else ""
                return f"it takes no {SPOKEN[feature]}{where}"
        profile = self._fleet.profile(target)
        if Feature.VISION in needs.features and self._blind(target):
            return f"{target.model} reads text only, no {SPOKEN[Feature.VISION]}"
        if needs.foreign and not profile.media.foreign_parts:
            return f"it takes no {needs.foreign}"
        if needs.named_document and not profile.media.documents_by_name:
            return f"it takes documents by data only, and {needs.named_document} names one"
        return None

    def _blind(self, target: Target) -> bool:
        """Whether a target's model is known to see no images; an alias that says otherwise knows better."""
        return self._said(target) is None and self._fleet.profile(target).model_names.reads_text_only(target.model)

    def _said(self, target: Target) -> frozenset[str] | None:
        said = (alias.capabilities for alias in self._aliases(target) if alias.capabilities is not None)
        found = next(said, None)
        return None if found is None else frozenset(found)

    def _aliases(self, target: Target) -> Sequence[ModelAlias]:
        wanted = str(target).lower()
        return [a for a in self._fleet.models.values() if any(serving.lower() == wanted for serving in a.targets)]
