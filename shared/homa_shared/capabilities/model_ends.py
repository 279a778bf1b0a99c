"""Models that a fleet names and that end, or that no table knows: said before anything is paid for or waits in vain.

The tables hold at a provider's own servers: a gateway, or a compatible server, may have other models of the same names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from homa_shared.kinds.registry import profile_of
from homa_shared.kinds.retirement import Retirement, Retirements, today
from homa_shared.model.patterns import is_pattern
from homa_shared.model.targets import Target, nearest

if TYPE_CHECKING:
    from homa_shared.kinds.profile import KindProfile
    from homa_shared.pricing.price_book import PriceBook
    from homa_shared.settings.fleet import Fleet, FleetProvider


@dataclass(frozen=True, slots=True)
class Ending:
    """A model that ends, as a fleet names it."""

    target: Target
    end: Retirement
    #: Where that is announced, and when it was read there.
    table: Retirements
    #: Settings that name it.
    named_by: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.target} {self.end.told(today())}"

    @property
    def what_follows(self) -> str:
        """What becomes of calls, and what to do."""
        source = f"announced at {self.table.source}, read {self.table.checked}"
        if self.end.rerouted:
            return f"its calls are answered, charged and ruled as {self.end.successor}'s: name that ({source})"
        instead = self.end.successor or "another model"
        return f"its calls fail from then on, or go to fallbacks: name {instead} ({source})"


def ending(fleet: Fleet, target: Target) -> Ending | None:
    """The announced end of a target's model; None where none is known at its server."""
    provider = fleet.providers.get(target.provider)
    if provider is None:
        return None
    profile = profile_of(provider.kind)
    end = profile.retirements.of(target.model)
    return None if end is None or not at_home(provider, profile) else Ending(target, end, profile.retirements)


def unreachable(fleet: Fleet, target: Target) -> str | None:
    """Says so where whoever calls a target's model is answered by 404; None where somebody may still be served."""
    found = ending(fleet, target)
    if found is None or not (found.end.unreachable and found.end.over(today())):
        return None
    return f"{target.model} {found.end.told(today())}"


def endings(fleet: Fleet, waiting: Sequence[Target], within_days: int) -> list[Ending]:
    """Models that a fleet's settings name, or that jobs wait for, and that have ended or end within so many days."""
    named: dict[Target, list[str]] = {}
    for target, where in _named(fleet):
        named.setdefault(target, []).append(where)
    for target in waiting:
        named.setdefault(target, []).append("jobs that wait")
    return [
        Ending(target, found.end, found.table, tuple(where))
        for target, where in named.items()
        if (found := ending(fleet, target)) is not None and found.end.near(today(), within_days)
    ]


def word(fleet: Fleet, prices: PriceBook, target: Target, within_days: int) -> str | None:
    """What is to be said before a target is used: that its model ends, or that no table knows it."""
    found = ending(fleet, target)
    if found is not None:
        return f"{found}: {found.what_follows}" if found.end.near(today(), within_days) else None
    return _unknown(fleet, prices, target)


def at_home(provider: FleetProvider, profile: KindProfile) -> bool:
    """Whether an account is at its provider's own servers, as far as a fleet knows."""
    if provider.local:
        return False
    own = profile.connection.endpoint
    return provider.endpoint is None or own is None or urlsplit(own).hostname == urlsplit(provider.endpoint).hostname


def _unknown(fleet: Fleet, prices: PriceBook, target: Target) -> str | None:
    provider = fleet.providers.get(target.provider)
    if provider is None:
        return None
    profile = profile_of(provider.kind)
    billing = profile.billing
    if billing.price_list is None or billing.alias_names_model or not at_home(provider, profile):
        return None
    if prices.list_price(target) is not None or profile.model_names.only_embeds(target.model):
        return None
    near = nearest(target.model, prices.listed_models(target.provider))
    meant = f" (did you mean {near!r}?)" if near else ""
    return f"{target} stands in no table of this release and is unpriced: check its name{meant}, or see `homa models`"


def _named(fleet: Fleet) -> Iterator[tuple[Target, str]]:
    for alias, said in fleet.models.items():
        first = "target" if said.target is not None else "pool"
        for setting, names in ((first, said.targets), ("fallbacks", said.fallbacks)):
            yield from ((Target.parse(name), f"models.{alias}.{setting}") for name in names if _is_target(fleet, name))
    for name in fleet.prices:
        if _is_target(fleet, name):
            yield Target.parse(name), f'prices."{name}"'
    for account, provider in fleet.providers.items():
        yield from (
            (Target(account, m), f'providers.{account}.models."{m}"') for m in provider.models if not is_pattern(m)
        )


def _is_target(fleet: Fleet, name: str) -> bool:
    return ":" in name and not is_pattern(name) and fleet.alias(name) is None
