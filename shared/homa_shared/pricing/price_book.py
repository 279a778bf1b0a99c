"""What a call costs, and what it may cost at most, in nano-dollars.

Prices are genai-prices', unless `[prices."provider:model"]` or an alias sets one. The library takes some 55 µs a call,
so that a model's prices are turned into whole numbers once, after which a cost is a few multiplications. Prices with
tiers, or with times of day, are left to the library. Prices may change with the date: what was derived holds for one
day (UTC).

A model without a price is unpriced: its cost is None, never zero.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from homa_shared.calls.reply import Usage
from homa_shared.kinds.registry import profile_of
from homa_shared.model.patterns import most_specific
from homa_shared.model.targets import Target
from homa_shared.pricing.price_list import library_cost, listed_card, listed_price, models_of, recognised
from homa_shared.pricing.rate_card import TOKENS_OF_PRICE, Card, ListPrice, dearest, own_card

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet
    from homa_shared.settings.sections import ModelAlias, Price

#: Tokens that providers add of their own: a chat template, instructions for tools. Twice the most that is documented,
#: 804 for Claude Opus 4.7 (platform.claude.com/docs/en/agents-and-tools/tool-use/overview): not all models are listed.
OVERHEAD_TOKENS = 2 * 804
#: The day on which that was last compared with its document.
OVERHEAD_CHECKED = "2026-11-29"
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
        self._cards: dict[Target, Card | None] = {}
        self._windows: dict[Target, int | None] = {}
        self._day = -1

    def cost(self, target: Target, usage: Usage) -> int | None:
        """Nano-dollars of a reply, rounded half up; None when the target is unpriced."""
        card = self._card(target)
        if card is None:
            return None
        parts = usage.cached_tokens + usage.cache_write_tokens
        if parts > usage.input_tokens:
            # A provider that reports parts beside the total: every token is still charged once.
            usage = replace(usage, input_tokens=parts)
        return card.rates.cost(usage) if card.rates is not None else library_cost(card, usage)

    def saved(self, target: Target, usage: Usage) -> int:
        """Nano-dollars that the provider's prompt cache saved; below zero where more was paid for writing to it.

        That is what the reply would have cost with every input token at the plain price, less what it cost.
        """
        if not (usage.cached_tokens or usage.cache_write_tokens):
            return 0
        total = max(usage.input_tokens, usage.cached_tokens + usage.cache_write_tokens)
        plain = self.cost(target, replace(usage, input_tokens=total, cached_tokens=0, cache_write_tokens=0))
        paid = self.cost(target, usage)
        return 0 if plain is None or paid is None else plain - paid

    def list_price(self, target: Target) -> ListPrice | None:
        """What a million tokens cost at the lowest tier; None when the target is unpriced."""
        card = self._card(target)
        return None if card is None else card.list_price

    def listed_models(self, provider: str) -> list[str]:
        """Names of the models in a provider's price list; none where it has no list."""
        price_list = self._price_list(provider)
        return models_of(price_list) if price_list else []

    def bound(self, target: Target, prompt_bytes: int, max_output_tokens: int, extra_tokens: int = 0) -> int | None:
        """Nano-dollars that a call cannot exceed; None when the target is unpriced.

        A token has at least one byte, so that a text has at most as many tokens as bytes. All of them are taken at the
        dearest input price, writing to the provider's cache included, and the output to its last token.

        Args:
            prompt_bytes: UTF-8 bytes of the messages and tools as JSON, media left out.
            max_output_tokens: the cap that is sent with the call; 0 for embeddings.
            extra_tokens: most tokens that the provider counts for media (images, audio, documents).
        """
        card = self._card(target)
        if card is None or (max_output_tokens and not card.output):
            return None
        text = prompt_bytes + OVERHEAD_TOKENS
        total = text + extra_tokens
        per_mtok = text * dearest(card.text, total) + extra_tokens * dearest(card.media, total)
        per_mtok += max_output_tokens * dearest(card.output, total)
        return -(-per_mtok // TOKENS_OF_PRICE) + card.request_nano_usd

    def context_window(self, target: Target) -> int | None:
        """Tokens of prompt and reply together, as the settings or genai-prices say; None where neither does."""
        if target not in self._windows:
            own = next((alias.context_window for _, alias in self._aliases(target) if alias.context_window), None)
            listed = (listed_price(name, price_list) for price_list, name in self._references(target))
            known = (found.model.context_window for found in listed if found is not None)
            self._windows[target] = own or next((window for window in known if window), None)
        return self._windows[target]

    def model_names(self, target: Target) -> list[str]:
        """Names that its model may have at its maker, the most telling first."""
        names = [alias.model for _, alias in self._aliases(target)] + [target.model]
        if self._fleet.profile(target).billing.alias_names_model:
            names += [name for name, _ in self._aliases(target)]
        return [name for name in names if name]

    def _card(self, target: Target) -> Card | None:
        day = int(self._clock_s() // _SECONDS_OF_DAY)
        if day != self._day:
            self._cards, self._day = {}, day
        if target not in self._cards:
            self._cards[target] = self._look_up(target, day)
        return self._cards[target]

    def _look_up(self, target: Target, day: int) -> Card | None:
        own = self._own_price(target)
        if own is not None:
            return own_card(own, day)
        for price_list, name in self._references(target):
            found = listed_price(name, price_list)
            if found is not None:
                return listed_card(found, day, (name, price_list))
        return None

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
        by_address = provider.endpoint if provider.endpoint and recognised(provider.endpoint) else None
        return provider.price_list or by_address or profile_of(provider.kind).billing.price_list

    def _aliases(self, target: Target) -> Iterator[tuple[str, ModelAlias]]:
        wanted = str(target).lower()
        for name, alias in self._fleet.models.items():
            if any(serving.lower() == wanted for serving in alias.targets):
                yield name, alias
