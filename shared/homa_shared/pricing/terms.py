"""The price of a model on some terms: a tier, a speed, a region.

A term's prices are those that a list has for it; else the standard ones times a factor that the provider documents,
which its kind's profile knows; else there are none.
"""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING

from homa_shared.pricing.own_prices import READ_ON, OwnPrice, steps
from homa_shared.pricing.price_list import Listed, card_of, listed_steps
from homa_shared.pricing.rate_card import Card, own_card
from homa_shared.pricing.regional_servers import regional_factor

if TYPE_CHECKING:
    from homa_shared.kinds.billing import Billing, Terms
    from homa_shared.settings.sections import Price

#: Where prices are from, as `homa models` says.
SETTINGS = "settings"


def settings_card(price: Price, terms: Terms) -> Card | None:
    """The card of a price in the settings; None for terms that it says nothing of."""
    if not terms:
        return own_card(price, SETTINGS)
    tier = price.tiers.get("+".join(terms))
    return None if tier is None else own_card(tier, SETTINGS)


def listed_card(
    found: Listed, price_list: str, billing: Billing, terms: Terms, now_s: float, endpoint: str = ""
) -> Card | None:
    """The card of a model in a price list; None for terms without a price.

    Args:
        price_list: where it is; factors hold for what its kind bills itself.
        endpoint: scheme and host of the account's server; empty: the kind's own.
        now_s: seconds since 1970.
    """
    context: dict[str, str] = {}
    rest: list[str] = []
    for name in terms:
        term = billing.terms.get(name)
        if term is not None and term.listed is not None and found.price(now_s, dict([term.listed])) is not None:
            context |= [term.listed]
        else:
            rest.append(name)
    is_own = price_list == billing.price_list
    factor = _factor(rest, billing, found.model.id, now_s) if is_own else None
    at_server = billing.endpoint_factor(endpoint, found.model.id) if is_own and endpoint else regional_factor(endpoint)
    price = found.price(now_s, context)
    if price is None or (factor is None and rest):
        return None
    return card_of(
        listed_steps(price, own=found.own),
        found.source,
        factor=(factor or Fraction(1)) * at_server,
        parts=billing.parts,
        turns_s=found.turns_s,
    )


def unlisted_card(price: OwnPrice, billing: Billing, terms: Terms, now_s: float, endpoint: str = "") -> Card | None:
    """The card of a model that no list has yet; None for terms without a price.

    Args:
        endpoint: as for `listed_card`.
    """
    factor = _factor(list(terms), billing, price.model, now_s)
    if factor is None:
        return None
    if endpoint:
        factor *= billing.endpoint_factor(endpoint, price.model)
    prices = {name: steps(dollars) for name, dollars in price.dollars.items()}
    source = f"{price.source}, read {READ_ON}"
    return card_of(prices, source, factor=factor, parts=billing.parts, cache_is_plain=False)


def _factor(terms: list[str], billing: Billing, model: str, now_s: float) -> Fraction | None:
    """What the standard price is multiplied by; None where nobody documents it."""
    day = datetime.fromtimestamp(now_s, UTC).date()
    factor = Fraction(1)
    for name in terms:
        term = billing.terms.get(name)
        found = None if term is None else term.factor(model, day)
        if found is None:
            return None
        factor *= found
    return factor
