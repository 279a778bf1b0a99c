"""The models of a fleet that are known by name: from aliases, from prices in the settings, from price lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homa_shared.capabilities.model_ends import Ending, ending
from homa_shared.capabilities.offers import Capabilities
from homa_shared.kinds.features import Feature
from homa_shared.model.errors import UnknownModel
from homa_shared.model.patterns import is_pattern
from homa_shared.model.pools import members_of
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook

if TYPE_CHECKING:
    from homa_shared.pricing.rate_card import ListPrice
    from homa_shared.settings.fleet import Fleet


@dataclass(frozen=True, slots=True)
class CataloguedModel:
    """A model that is known by name."""

    target: Target
    #: None where it has no alias; a target of several aliases is there once for each.
    alias: str | None
    #: Tokens of prompt and reply together; None where nobody says.
    context_window: int | None
    #: None: unpriced.
    price: ListPrice | None
    features: tuple[Feature, ...]
    #: None: no end is announced.
    ending: Ending | None


class Catalogue:
    """The models of a fleet's providers.

    Args:
        fleet: whoever is named in it without a configured provider is left out.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet, self._prices = fleet, PriceBook(fleet)
        self._capabilities = Capabilities(fleet, self._prices)

    def models(self, provider: str) -> list[CataloguedModel]:
        """The models of a provider: those with an alias first, then those that settings or the price list name."""
        aliased = [(target, alias) for alias, target in self._aliased() if target.provider == provider]
        known = {str(target).lower() for target, _ in aliased}
        return [
            *(self._model(target, alias) for target, alias in aliased),
            *(self._model(target, None) for target in self._listed(provider) if str(target).lower() not in known),
        ]

    def _model(self, target: Target, alias: str | None) -> CataloguedModel:
        return CataloguedModel(
            target,
            alias,
            self._prices.context_window(target),
            self._prices.list_price(target),
            self._capabilities.features(target),
            ending(self._fleet, target),
        )

    def _aliased(self) -> Iterator[tuple[str, Target]]:
        """Aliases and what they call first. One that cannot be followed is no way to a model."""
        for alias in self._fleet.models:
            try:
                first = self._fleet.hops(alias)[0]
            except UnknownModel:
                continue
            yield from ((alias, target) for target in members_of(first))

    def _listed(self, provider: str) -> dict[Target, None]:
        """Targets that have no alias, each once."""
        priced = (Target.parse(name) for name in self._fleet.prices if ":" in name and not is_pattern(name))
        named = [target for target in priced if target.provider == provider]
        listed = [Target(provider, name) for name in self._prices.listed_models(provider) if name]
        return dict.fromkeys([*named, *listed])
