"""What a call costs, and what it may cost at most, in nano-dollars.

A price is the settings' (`[prices."provider:model"]`, or an alias's), else genai-prices', else one of the few that it
lacks yet (own_prices.py). The library takes some 55 µs a call, so that a model's prices are turned into whole numbers
once for each of the terms that it is served on, after which a cost is a few multiplications. Prices may change with the
date: what was derived holds for one day (UTC), or, where they change by the hour, for the moment.

A model without a price is unpriced, and so is a reply that tells of anything without one: its cost is None, never zero.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from homa_shared.calls.reply import Usage
from homa_shared.kinds.billing import STANDARD, Billing, Terms
from homa_shared.kinds.context_windows import documented_window
from homa_shared.kinds.registry import profile_of
from homa_shared.model.patterns import most_specific
from homa_shared.model.targets import Target
from homa_shared.pricing.own_prices import own_models, own_price
from homa_shared.pricing.price_list import listed, models_of, recognised
from homa_shared.pricing.rate_card import Card, ListPrice
from homa_shared.pricing.regional_servers import usual_server
from homa_shared.pricing.terms import listed_card, settings_card, unlisted_card

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet
    from homa_shared.settings.sections import ModelAlias, Price

#: Tokens that providers add of their own: a chat template, instructions for tools. Twice the most that is documented,
#: 804 for Claude Opus 4.7 (platform.claude.com/docs/en/agents-and-tools/tool-use/overview): not all models are listed.
OVERHEAD_TOKENS = 2 * 804
#: The day on which that was last compared with its document.
OVERHEAD_CHECKED = "2026-11-29"
NO_PARAMS: Mapping[str, Any] = {}
_SECONDS_OF_DAY = 86_400


class PriceBook:
    """Prices of a fleet's targets.

    Args:
        fleet: its prices and aliases stand above genai-prices.
        clock_s: seconds since 1970; decides which day's prices hold.
    """

    def __init__(self, fleet: Fleet, *, clock_s: Callable[[], float] = time.time) -> None:
        self._fleet = fleet
        self._clock_s = clock_s
        self._cards: dict[Terms, dict[Target, Card | None]] = {}
        #: Prices of the day that change within it.
        self._by_turns: dict[tuple[Target, Terms], list[Card | None]] = {}
        #: Target and the model that a reply names -> the target whose price counts.
        self._served: dict[tuple[Target, str], Target] = {}
        self._windows: dict[Target, int | None] = {}
        self._day = -1

    def cost(self, target: Target, usage: Usage) -> int | None:
        """Nano-dollars of a reply, rounded half up; None where the target, or something that it tells, has no price."""
        card = self._card(self._billed(target, usage) if usage.model else target, usage.terms)
        if card is None:
            return None
        parts = usage.cached_tokens + usage.cache_write_tokens
        if parts > usage.input_tokens:
            # A provider that reports parts beside the total: every token is still charged once.
            usage = replace(usage, input_tokens=parts)
        return card.cost(usage)

    def saved(self, target: Target, usage: Usage) -> int:
        """Nano-dollars that the provider's prompt cache saved; below zero where more was paid for writing to it.

        That is what the reply would have cost with every input token at the plain price, less what it cost.
        """
        if not (usage.cached_tokens or usage.cache_write_tokens):
            return 0
        total = max(usage.input_tokens, usage.cached_tokens + usage.cache_write_tokens)
        parts = tuple(part for part in usage.parts if not part[0].startswith("cache"))
        fresh = replace(usage, input_tokens=total, cached_tokens=0, cache_write_tokens=0, parts=parts)
        plain, paid = self.cost(target, fresh), self.cost(target, usage)
        return 0 if plain is None or paid is None else plain - paid

    def list_price(self, target: Target) -> ListPrice | None:
        """What a million tokens cost at the lowest tier; None when the target is unpriced."""
        card = self._card(target)
        return None if card is None else card.list_price

    def listed_models(self, provider: str) -> list[str]:
        """Names of the models in a provider's price list, and of those that it lacks; none where it has no list."""
        price_list = self._price_list(provider)
        return list(dict.fromkeys([*models_of(price_list), *own_models(price_list)])) if price_list else []

    def bound(
        self,
        target: Target,
        prompt_bytes: int,
        max_output_tokens: int,
        extra_tokens: int = 0,
        params: Mapping[str, Any] = NO_PARAMS,
    ) -> int | None:
        """Nano-dollars that a call cannot exceed, fees left out; None where it may end in something without a price.

        A token has at least one byte, so that a text has at most as many tokens as bytes. All of them are taken at the
        dearest input price, writing to the provider's cache included, and the output to its last token, by the dearest
        of the tiers that may serve it.

        Args:
            prompt_bytes: UTF-8 bytes of the messages and tools as JSON, media left out.
            max_output_tokens: the cap that is sent with the call; 0 for embeddings.
            extra_tokens: most tokens that the provider counts for media (images, audio, documents).
            params: of the request, in OpenAI's names: they may ask for another tier, speed or place than the standard.
        """
        text_tokens = prompt_bytes + OVERHEAD_TOKENS
        most = 0
        for card in self._may_serve(target, params):
            bound = None if card is None else card.bound(text_tokens, max_output_tokens, extra_tokens, params)
            if bound is None:
                return None
            most = max(most, bound)
        return most

    def has_prices_for(self, target: Target, parameter: str) -> bool:
        """Whether a parameter chooses among prices of a target, so that a bound counts the dearest that it may mean."""
        return self._billing(target).has_prices_for(parameter)

    def chooses_price(self, target: Target, parameter: str) -> bool:
        """Whether a parameter may change by which prices a call to a target is billed, be they known or not."""
        return self._billing(target).chooses_price(parameter)

    def lacks_tier(self, target: Target, params: Mapping[str, Any]) -> Terms | None:
        """Terms without a price on which a request may be served, where the target has a standard price; else None."""
        if self._card(target) is None:
            return None
        needed, _ = self._billing(target).asked_terms(params, self._account_tier(target))
        return next((terms for terms in sorted(needed) if self._card(target, terms) is None), None)

    def asked_terms(self, target: Target, params: Mapping[str, Any]) -> Terms:
        """The terms that a request asks to be served on; empty for the standard ones."""
        needed, _ = self._billing(target).asked_terms(params, self._account_tier(target))
        return max(needed, key=len)

    def _may_serve(self, target: Target, params: Mapping[str, Any]) -> list[Card | None]:
        """The prices by which a request may be served."""
        billing, account = self._billing(target), self._account_tier(target)
        if account is None and not billing.asks(params):
            return self._cards_of_day(target, STANDARD)
        needed, perhaps = billing.asked_terms(params, account)
        cards = [card for terms in needed for card in self._cards_of_day(target, terms)]
        further = (card for terms in perhaps - needed for card in self._cards_of_day(target, terms))
        return [*cards, *(card for card in further if card is not None)]

    def context_window(self, target: Target) -> int | None:
        """Tokens of prompt and reply together, by settings, genai-prices or makers' documents; None: nobody says."""
        if target not in self._windows:
            own = next((alias.context_window for _, alias in self._aliases(target) if alias.context_window), None)
            models = (listed(name, price_list) for price_list, name in self._references(target))
            known = (found.model.context_window for found in models if found is not None)
            documented = map(documented_window, self.model_names(target))
            self._windows[target] = own or next((window for window in (*known, *documented) if window), None)
        return self._windows[target]

    def model_names(self, target: Target) -> list[str]:
        """Names that its model may have at its maker, the most telling first."""
        names = [alias.model for _, alias in self._aliases(target)] + [target.model]
        if self._billing(target).alias_names_model:
            names += [name for name, _ in self._aliases(target)]
        return [name for name in names if name]

    def _card(self, target: Target, terms: Terms = STANDARD) -> Card | None:
        now_s = self._clock_s()
        day = int(now_s // _SECONDS_OF_DAY)
        if day != self._day:
            self._cards, self._by_turns, self._served, self._day = {}, {}, {}, day
        cards = self._cards.get(terms)
        if cards is None:
            cards = self._cards[terms] = {}
        if target not in cards or ((known := cards[target]) is not None and known.turns_s):
            cards[target] = self._look_up(target, terms, now_s)
        return cards[target]

    def _cards_of_day(self, target: Target, terms: Terms) -> list[Card | None]:
        """All prices of the day on some terms: a bound is kept until the day ends, whatever the hour of the call."""
        card = self._card(target, terms)
        if card is None or not card.turns_s:
            return [card]
        if (target, terms) not in self._by_turns:
            midnight_s = self._day * _SECONDS_OF_DAY
            self._by_turns[target, terms] = [self._look_up(target, terms, midnight_s + s) for s in card.turns_s]
        return self._by_turns[target, terms]

    def _look_up(self, target: Target, terms: Terms, now_s: float) -> Card | None:
        own = self._own_price(target)
        if own is not None:
            return settings_card(own, terms)
        billing, endpoint = self._billing(target), self._endpoint(target)
        for price_list, name in self._references(target):
            found = listed(name, price_list)
            if found is not None and found.price(now_s, {}) is not None:
                return listed_card(found, price_list, billing, terms, now_s, endpoint)
            ours = own_price(name, price_list, datetime.fromtimestamp(now_s, UTC).date())
            if ours is not None:
                return unlisted_card(ours, billing, terms, now_s, endpoint)
        return None

    def _billing(self, target: Target) -> Billing:
        return self._fleet.profile(target).billing

    def _account_tier(self, target: Target) -> str | None:
        found = self._fleet.providers.get(target.provider)
        return None if found is None else found.service_tier

    def _endpoint(self, target: Target) -> str:
        found = self._fleet.providers.get(target.provider)
        return (found.endpoint or "") if found is not None else ""

    def _billed(self, target: Target, usage: Usage) -> Target:
        """The target whose price counts: the one that was called, unless another model's is known to."""
        key = (target, usage.model)
        if key not in self._served or self._day != int(self._clock_s() // _SECONDS_OF_DAY):
            served = Target(target.provider, usage.model)
            counts = self._billing(target).bills_served_model and self._own_price(target) is None
            self._served[key] = served if counts and self._card(served) is not None else target
        return self._served[key]

    def _own_price(self, target: Target) -> Price | None:
        pattern = most_specific(str(target), self._fleet.prices)
        if pattern is not None:
            return self._fleet.prices[pattern]
        return next((alias.price for _, alias in self._aliases(target) if alias.price is not None), None)

    def _references(self, target: Target) -> Iterator[tuple[str, str]]:
        """Price list and model name to try, the most telling first."""
        price_list = self._price_list(target.provider)
        if price_list is None:
            return
        yield from ((price_list, name) for name in self.model_names(target))

    def _price_list(self, name: str) -> str | None:
        """Id or address of a provider's price list; None where it has none."""
        provider = self._fleet.providers.get(name)
        if provider is None:
            return None
        # A server that is not recognised is taken as a gateway before the kind's own.
        server = usual_server(provider.endpoint) if provider.endpoint else ""
        by_address = server if server and recognised(server) else None
        return provider.price_list or by_address or profile_of(provider.kind).billing.price_list

    def _aliases(self, target: Target) -> Iterator[tuple[str, ModelAlias]]:
        wanted = str(target).lower()
        for name, alias in self._fleet.models.items():
            if any(serving.lower() == wanted for serving in alias.targets):
                yield name, alias
