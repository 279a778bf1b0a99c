"""What a kind's bill consists of: tokens by a price list, the terms that they are served on, fees beside them.

All that a reply tells of its cost is read into `Usage` by the adapter, in the names that stand here; `PriceBook` prices
it. What has no price here, in the settings or in a price list makes a reply unpriced: never free, never standard.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from itertools import product
from typing import Any

#: What a call is served on where that changes its price: a tier, a speed, a region. Empty: the standard price.
Terms = tuple[str, ...]
STANDARD: Terms = ()

#: Names of the standard tier, in requests and replies of all kinds; in a reply, `auto` says that nothing else was.
_STANDARD_NAMES = dict.fromkeys(("", "auto", "default", "standard", "standard_only", "unspecified", "on_demand"), "")


#: Names that a reply tells stand in the ledger, where other characters have a meaning.
_UNUSUAL = re.compile(r"[^\w.? -]")
_MOST_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Term:
    """How calls on one term are priced, beside the standard price."""

    #: Name and value by which genai-prices lists it; None: it does not.
    listed: tuple[str, str] | None = None
    #: What the standard price of all tokens is multiplied by, for a model on a day; None where it is not documented.
    factor: Callable[[str, date], Fraction | None] = lambda model, day: None
    #: Where the factor is written.
    source: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A sort of tokens that price lists do not have, by the price of one that they have."""

    #: genai-prices' name of that price.
    of: str
    factor: Fraction
    #: The parameter by which a request asks for it.
    asked_by: str
    source: str


def _at_one_price(endpoint: str, model: str) -> Fraction:
    return Fraction(1)


@dataclass(frozen=True, slots=True)
class Billing:
    """How a kind bills."""

    #: Id of its price list in genai-prices; None: it is on none, and its models are unpriced unless the settings say.
    price_list: str | None = None
    #: Whether an alias may bear the name of the model in price lists: where models are deployments of any name.
    alias_names_model: bool = False
    #: Whether a reply's own name of its model is the one that is billed, where it is another than was asked for.
    bills_served_model: bool = False
    #: Service tiers that `service_tier` may name → their names on its wire; None: nobody knows, and any is passed on.
    service_tiers: Mapping[str, str] | None = None
    #: Models that one of these tiers is known not to serve: model, tier.
    withholds_tier: Callable[[str, str], bool] = lambda model, tier: False
    #: Tiers as requests and replies call them → the term that they are; a name that is missing is a term by itself.
    tier_names: Mapping[str, str] = field(default_factory=dict)
    #: Terms that a call which leaves its tier to the account may be served on, where they have a price.
    account_tiers: frozenset[str] = frozenset()
    #: What prices of its list are multiplied by at a server of its own that the account names: scheme and host, model.
    endpoint_factor: Callable[[str, str], Fraction] = _at_one_price
    #: Further parameters that change the price: parameter → the values that do not.
    price_parameters: Mapping[str, frozenset[object]] = field(default_factory=dict)
    #: Term → how it is priced; one that is missing has no price.
    terms: Mapping[str, Term] = field(default_factory=dict)
    #: Parts of tokens that no price list has.
    parts: Mapping[str, Part] = field(default_factory=dict)
    #: What a reply tells of work beside tokens, by its own name → the unit that a price list has for it; empty: it is
    #: free. What is missing has no price. None: nobody described it, and a reply is looked through for what is known.
    fees: Mapping[str, str] | None = None

    def term(self, name: object) -> str:
        """The term that a tier is, by its name in a request or a reply; empty for the standard one."""
        if name is None or name == "default":
            return ""
        text = _plain(str(name).lower())
        found = self.tier_names.get(text)
        return _STANDARD_NAMES.get(text, text) if found is None else found

    def terms_of(self, *names: object) -> Terms:
        """The terms that a reply tells, in any order."""
        found = {term for name in names if name is not None and name != "default" and (term := self.term(name))}
        return tuple(sorted(found)) if found else STANDARD

    def fees_of(self, told: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
        """What is billed beside tokens, by units of price lists.

        Args:
            told: by the provider's names, and how many of each.
        """
        sums: dict[str, int] = {}
        for name, count in told:
            unit = (self.fees or {}).get(name)
            unit = _plain(name) if unit is None else unit
            if unit and count:
                sums[unit] = sums.get(unit, 0) + count
        return tuple(sorted(sums.items()))

    def has_prices_for(self, parameter: str) -> bool:
        """Whether a parameter of a request chooses among terms that are known here."""
        is_tier = parameter in ("service_tier", "serviceTier")
        return bool(self.service_tiers) if is_tier else parameter in self.price_parameters

    def chooses_price(self, parameter: str) -> bool:
        """Whether a parameter may change by which prices a call is billed, be they known here or not."""
        is_tier = parameter in ("service_tier", "serviceTier")
        asks_for_part = any(part.asked_by == parameter for part in self.parts.values())
        return is_tier or asks_for_part or parameter in self.price_parameters

    def asks(self, params: Mapping[str, Any]) -> bool:
        """Whether a request says anything of the terms that it is to be served on."""
        return "service_tier" in params or "serviceTier" in params or any(n in params for n in self.price_parameters)

    def asked_terms(self, params: Mapping[str, Any], account: str | None = None) -> tuple[set[Terms], set[Terms]]:
        """What a call may be served on: terms that must have a price, and others that count where they have one.

        A provider may always fall back to its standard tier.

        Args:
            params: of the request, in OpenAI's names or the kind's own.
            account: the tier by which its account serves calls that leave it open; None where nobody says.
        """
        asked = params.get("service_tier", params.get("serviceTier"))
        name = asked.get("type") if isinstance(asked, Mapping) else asked
        if name in (None, "auto"):
            name = account or name
        perhaps = self.account_tiers if name == "auto" else ()
        further = [{"", self.term(value)} for value, usual in self._priced(params) if not _is_in(value, usual)]
        return _products([{"", self.term(name)}, *further]), _products([set(perhaps), *further])

    def _priced(self, params: Mapping[str, Any]) -> list[tuple[object, frozenset[object]]]:
        return [(params[name], usual) for name, usual in self.price_parameters.items() if params.get(name) is not None]


def _is_in(value: object, usual: frozenset[object]) -> bool:
    """Whether a parameter has one of some values; what a caller gives need not be hashable."""
    return any(value == each for each in usual)


def _plain(name: str) -> str:
    return _UNUSUAL.sub("_", name)[:_MOST_CHARACTERS]


def _products(choices: list[set[str]]) -> set[Terms]:
    return {tuple(sorted({term for term in terms if term})) for terms in product(*choices)}
