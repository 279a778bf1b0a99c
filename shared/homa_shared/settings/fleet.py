"""The fleet's settings: what all its processes must agree on, kept in the store and versioned.

One process writes it, all others read it. It holds no key and no address with credentials; those stay with each worker.
A fleet written by a newer release may have keys that this one does not know: they are ignored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, Field, ValidationError

from homa_shared.errors import ConfigError, UnknownModel
from homa_shared.pools import Hop, Pool, alias_of, members_of
from homa_shared.settings.sections import (
    Budget,
    GroupSettings,
    LimitSettings,
    ModelAlias,
    Price,
    Retention,
    Section,
    Tenant,
    Unresolved,
)
from homa_shared.settings.toml_lines import dotted
from homa_shared.targets import Target, nearest


class FleetProvider(Section):
    """What the fleet knows of a provider."""

    #: A plain string, since a newer release may know kinds that this one does not.
    kind: str
    limits: LimitSettings = LimitSettings()
    models: dict[str, GroupSettings] = Field(default_factory=dict)
    concurrency: int | None = None
    rpd_zone: str | None = None
    price_list: str | None = None
    #: Scheme and host of a server other than the kind's own, to find its price list.
    endpoint: str | None = None


class Fleet(Section):
    """Providers' limits, models, budgets, prices, tenants, retention and what becomes of unresolved cost."""

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
    #: Whether providers' prompt caches are told what prompts share.
    prompt_cache: bool = True

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
                f"no provider is named {target.provider!r} (in {target}): {_configured(self)}"
                f"{_suggest(nearest(target.provider, self.providers))}"
            )
        return found

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
            chain.update(dict.fromkeys(self._hops(name, ())))
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
            raise UnknownModel(f"{name!r} is no pool of the fleet any more: expected [models.{alias}] with a pool")
        return pool

    def pool(self, alias: str) -> Pool | None:
        """The pool of an alias; None where it is no alias of a pool.

        Raises:
            UnknownModel: a member is no target, or two of them are at one provider.
        """
        found = self.alias(alias)
        if found is None or not found.pool:
            return None
        return self._pool(alias.strip().lower(), found, ())

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

    def _hops(self, name: str, path: tuple[str, ...]) -> Iterator[Hop]:
        key, alias = name.strip().lower(), self.alias(name)
        if alias is None:
            yield self._parsed(name)
            return
        here = self._path(key, path)
        if alias.target is None:
            yield self._pool(key, alias, path)
        else:
            yield from self._hops(alias.target, here)
        for following in alias.fallbacks:
            yield from self._hops(following, here)

    def _pool(self, key: str, alias: ModelAlias, path: tuple[str, ...]) -> Pool:
        members: dict[str, Target] = {}
        for name in alias.pool:
            for target in self._firsts(name, self._path(key, path)):
                other = members.setdefault(target.provider, target)
                if other != target:
                    raise UnknownModel(
                        f"the pool of {key!r} holds {other} and {target}, two targets of one provider: expected one of "
                        "each; make the other one a fallback, or configure the account twice"
                    )
        return Pool(key, tuple(members.values()))

    def _firsts(self, name: str, path: tuple[str, ...]) -> Iterator[Target]:
        """The targets of a pool's member: an alias brings its target or pool, not its fallbacks."""
        alias = self.alias(name)
        if alias is None:
            yield self._parsed(name)
            return
        here = self._path(name.strip().lower(), path)
        for following in alias.targets:
            yield from self._firsts(following, here)

    def alias(self, model: str) -> ModelAlias | None:
        """The alias of this name, None for a target or an unknown name."""
        return self.models.get(model.strip().lower())

    def follow(self, model: str) -> tuple[str, ...]:
        """The names that a model leads to once its aliases are followed, whether or not their providers are known.

        Raises:
            UnknownModel: aliases form a loop.
        """
        return tuple(self._follow(model, ()))

    def _follow(self, name: str, path: tuple[str, ...]) -> Iterator[str]:
        alias = self.alias(name)
        if alias is None:
            yield name
            return
        here = self._path(name.strip().lower(), path)
        for following in (*alias.targets, *alias.fallbacks):
            yield from self._follow(following, here)

    @staticmethod
    def _path(key: str, path: tuple[str, ...]) -> tuple[str, ...]:
        if key in path:
            raise UnknownModel(f"model {path[0]!r} leads to itself: {' → '.join((*path, key))}; expected a target")
        return (*path, key)

    def _parsed(self, name: str) -> Target:
        if ":" not in name:
            candidates = [*self.models, *(f"{provider}:{name.strip()}" for provider in self.providers)]
            raise UnknownModel(
                f"{name!r} is no configured model: expected provider:model or an alias; {_configured(self)}"
                f"{_suggest(nearest(name.strip().lower(), candidates))}"
            )
        return Target.parse(name)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two fleets."""

    #: Dotted name of the setting, or of the whole entry where that is new or gone.
    name: str
    #: Values as JSON holds them; None where there is none.
    old: Any
    new: Any

    def __str__(self) -> str:
        if self.old is None:
            return f"{self.name} is added: {_words(self.new)}"
        if self.new is None:
            return f"{self.name} is removed: it was {_words(self.old)}"
        return f"{self.name} changes from {_words(self.old)} to {_words(self.new)}"


def diff(old: Fleet, new: Fleet) -> list[Change]:
    """What `homa apply` would change, in the order of the settings' names; versions are not compared."""
    return _differences((), old.content(), new.content())


def _differences(path: tuple[str, ...], old: Any, new: Any) -> list[Change]:
    if old == new:
        return []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = sorted(old.keys() | new.keys())
        return [change for name in names for change in _differences((*path, name), old.get(name), new.get(name))]
    # Whole sections are split into their entries, entries are told in one piece.
    if len(path) <= 1 and (old is None or new is None) and isinstance(old or new, Mapping):
        return _differences(path, old or {}, new or {})
    return [Change(dotted(path), old, new)]


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items()) or "defaults only"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " then ".join(map(_words, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _configured(fleet: Fleet) -> str:
    providers = ", ".join(sorted(fleet.providers)) or "none; set a provider's key, or [providers.<name>] in homa.toml"
    aliases = ", ".join(sorted(fleet.models))
    return f"configured providers are {providers}" + (f", aliases {aliases}" if aliases else "")


def _suggest(name: str | None) -> str:
    return f"; did you mean {name!r}?" if name else ""
