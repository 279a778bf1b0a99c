"""The fleet's settings: what all its processes must agree on, kept in the store and versioned.

One process writes it, all others read it. It holds no key and no address with credentials; those stay with each worker.
A fleet written by a newer release may have keys that this one does not know: they are ignored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ConfigDict, Field, ValidationError

from homa_shared.kinds.parameter_rules import Family
from homa_shared.kinds.profile import UNKNOWN_KIND, KindProfile
from homa_shared.kinds.registry import is_kind, profile_of
from homa_shared.model.errors import ConfigError, UnknownModel
from homa_shared.model.pools import Hop, Pool, alias_of, members_of
from homa_shared.model.targets import Target, nearest
from homa_shared.settings.names import Names, suggestion
from homa_shared.settings.sections import (
    Budget,
    Events,
    GroupSettings,
    LimitSettings,
    ModelAlias,
    Price,
    Retention,
    Section,
    Tenant,
    Unresolved,
)
from homa_shared.settings.values import Parameters


class FleetProvider(Section):
    """What the fleet knows of a provider."""

    #: A plain string, since a newer release may know kinds that this one does not.
    kind: str
    limits: LimitSettings = LimitSettings()
    models: dict[str, GroupSettings] = Field(default_factory=dict)
    concurrency: int | None = None
    embedding_texts: int | None = None
    rpd_zone: str | None = None
    price_list: str | None = None
    #: Scheme and host of a server other than the kind's own, to find its price list.
    endpoint: str | None = None
    #: Whether its server is on the machine of whoever calls it, so that nobody else can say whose it is.
    local: bool = False
    #: Parameters that its workers give to each chat call that leaves them open: a bound counts what they may cost.
    params: Parameters = Field(default_factory=dict)
    #: Tier by which its account serves calls that leave it open, where that is not the standard one.
    service_tier: str | None = None
    #: Where the account keeps and processes what it is sent; None: nobody says.
    data_region: str | None = None


class Fleet(Section):
    """Providers' limits, models, budgets, prices, tenants, retention, events, what becomes of unresolved cost."""

    model_config = ConfigDict(hide_input_in_errors=True)

    #: Counts up with each `homa apply`; 0 is not yet in a store.
    version: int = 0
    providers: dict[str, FleetProvider] = Field(default_factory=dict)
    models: dict[str, ModelAlias] = Field(default_factory=dict)
    budgets: dict[str, Budget] = Field(default_factory=dict)
    #: By target; patterns such as `ollama:*` are allowed.
    prices: dict[str, Price] = Field(default_factory=dict)
    tenants: dict[str, Tenant] = Field(default_factory=dict)
    retention: Retention = Field(default_factory=Retention)
    unresolved: Unresolved = Field(default_factory=Unresolved)
    #: Names that it turns off are plain strings: a newer release may know events that this one does not.
    events: Events = Field(default_factory=Events)
    #: Whether providers' prompt caches are told what prompts share.
    prompt_cache: bool = True
    #: Whether nothing is accepted that is not encrypted, and workers without keys get nothing to do.
    encryption_required: bool = False

    @property
    def _names(self) -> Names:
        return Names(self.models, self.providers)

    @property
    def digest(self) -> str:
        """SHA-256 of the content, version left out: equal digests mean equal settings."""
        return hashlib.sha256(_canonical(self.content())).hexdigest()

    def content(self) -> dict[str, Any]:
        """The settings as nested tables in homa.toml's words, version and defaults left out."""
        return self.model_dump(mode="json", by_alias=True, exclude={"version"}, exclude_defaults=True)

    def to_json(self) -> str:
        """The fleet as the store keeps it."""
        return _canonical({**self.content(), "version": self.version}).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Fleet:
        """Read what `to_json` wrote, of this release or a newer one.

        Raises:
            ConfigError: it cannot be read.
        """
        try:
            return cls.model_validate_json(text, extra="ignore")
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise ConfigError(
                f"the store's fleet settings cannot be read: {where}: {first['msg']}; "
                "expected settings written by this release or a near one: write them again with `homa apply`"
            ) from error

    def provider(self, target: Target) -> FleetProvider:
        """The provider that a target names.

        Raises:
            UnknownModel: none has its name.
        """
        found = self.providers.get(target.provider)
        if found is None:
            raise UnknownModel(
                f"no provider is named {target.provider!r} (in {target}): {self._names.configured()}"
                f"{suggestion(nearest(target.provider, self.providers)) or _how_to_have(target.provider)}"
            )
        return found

    def region_lack(self, target: Target, tenant: str, regions: Iterable[str] = ()) -> str | None:
        """Why a target may not get what a job says; None where it may.

        Args:
            tenant: whose job it is, which may be pinned to regions.
            regions: that the job itself is pinned to.
        """
        found = self.providers.get(target.provider)
        there = None if found is None else found.data_region
        own = self.tenants.get(tenant)
        for whose, pinned in (("the job", tuple(regions)), (f"tenant {tenant}", () if own is None else own.regions)):
            if pinned and there not in pinned:
                where = f"in {there}" if there else f"nowhere as far as providers.{target.provider}.data_region says"
                return f"{whose} is pinned to {', '.join(pinned)}, and this account is {where}"
        return None

    def profile(self, target: Target) -> KindProfile:
        """What is known of the kind of a target's provider; what is taken for granted where the fleet has none.

        Raises:
            ConfigError: the kind's package is installed and brings no profile that can be loaded.
        """
        found = self.providers.get(target.provider)
        return UNKNOWN_KIND if found is None else profile_of(found.kind)

    def family(self, target: Target) -> Family:
        """What a target's model takes of a request's parameters.

        Where its name tells nothing, as a deployment's may not, an alias of it that names the model does.
        """
        profile = self.profile(target)
        found = profile.family(target.model)
        if found is not profile.others:
            return found
        named = (profile.family(name) for name in self._names_of(target, profile))
        return next((family for family in named if family is not profile.others), found)

    def _names_of(self, target: Target, profile: KindProfile) -> Iterator[str]:
        """Names that aliases give to a target's model."""
        wanted = str(target).lower()
        for name, alias in self.models.items():
            if any(serving.lower() == wanted for serving in alias.targets):
                if alias.model:
                    yield alias.model
                if profile.billing.alias_names_model:
                    yield name

    def resolve(self, model: str, fallbacks: Iterable[str] = ()) -> tuple[Target, ...]:
        """The targets that a request may go to, each once, in the order in which they are tried.

        Args:
            model: `provider:model` or an alias; an alias brings its own fallbacks after its target or pool.
            fallbacks: further ones, tried last.

        Raises:
            UnknownModel: one of them is neither a target at a configured provider nor an alias, or aliases form a loop.
        """
        return tuple(dict.fromkeys(target for hop in self.hops(model, fallbacks) for target in members_of(hop)))

    def hops(self, model: str, fallbacks: Iterable[str] = ()) -> tuple[Hop, ...]:
        """The chain of a request: as `resolve`, with each pool as one place in it."""
        chain: dict[Hop, None] = {}
        for name in (model, *fallbacks):
            chain.update(dict.fromkeys(self._names.hops(name)))
        for target in (target for hop in chain for target in members_of(hop)):
            self.provider(target)
        return tuple(chain)

    def hop(self, name: str) -> Hop:
        """The hop that a record names: a target, or `pool-<alias>`.

        Raises:
            UnknownModel: the fleet has no such pool any more, or no such provider.
        """
        alias = alias_of(name)
        if alias is None:
            target = Target.parse(name)
            self.provider(target)
            return target
        pool = self.pool(alias)
        if pool is None:
            raise UnknownModel(f"{name!r} is no longer a pool of the fleet: expected [models.{alias}] with a pool")
        return pool

    def pool(self, alias: str) -> Pool | None:
        """The pool of an alias; None where it is not the alias of a pool.

        Raises:
            UnknownModel: a member is not a target, or two of them are at one provider.
        """
        return self._names.pool(alias)

    def pools_of(self, provider: str) -> tuple[Pool, ...]:
        """The pools that a provider serves. One that cannot be read is nobody's."""
        return tuple(pool for pool in self._pools() if any(member.provider == provider for member in pool.members))

    def _pools(self) -> Iterator[Pool]:
        for alias in self.models:
            try:
                pool = self.pool(alias)
            except UnknownModel:
                continue
            if pool is not None:
                yield pool

    def alias(self, model: str) -> ModelAlias | None:
        """The alias of this name, None for a target or an unknown name."""
        return self._names.alias(model)

    def follow(self, model: str) -> tuple[str, ...]:
        """The names that a model leads to once its aliases are followed, whether or not their providers are known.

        Raises:
            UnknownModel: aliases form a loop.
        """
        return self._names.follow(model)


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _how_to_have(provider: str) -> str:
    """What sets up an account under a kind's own name; empty for another name."""
    if not is_kind(provider):
        return ""
    variables = profile_of(provider).connection.variables
    named = next((variable.names[0] for variable in variables if variable.makes_account and not variable.needs), None)
    how = f"{named} sets it up" if named else f"[providers.{provider}] in homa.toml sets it up"
    return f"; {how}, where its workers run"
