"""Names of models followed to targets and pools."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from homa_shared.model.errors import UnknownModel
from homa_shared.model.pools import Hop, Pool
from homa_shared.model.targets import Target, nearest
from homa_shared.settings.sections import ModelAlias


class Names:
    """What the names of models lead to.

    Args:
        models: aliases.
        providers: names of the configured ones, for what errors suggest.
    """

    def __init__(self, models: Mapping[str, ModelAlias], providers: Collection[str]) -> None:
        self._models, self._providers = models, providers

    def alias(self, model: str) -> ModelAlias | None:
        """The alias of this name, None for a target or an unknown name."""
        return self._models.get(model.strip().lower())

    def hops(self, name: str) -> Iterator[Hop]:
        """The places of a chain that a name stands for, its fallbacks after itself.

        Raises:
            UnknownModel: it, or what it leads to, is neither a target nor an alias, or aliases form a loop.
        """
        return self._hops(name, ())

    def pool(self, alias: str) -> Pool | None:
        """The pool of an alias; None where it is not the alias of a pool.

        Raises:
            UnknownModel: a member is not a target, or two of them are at one provider.
        """
        found = self.alias(alias)
        if found is None or not found.pool:
            return None
        return self._pool(alias.strip().lower(), found, ())

    def follow(self, name: str) -> tuple[str, ...]:
        """The names that one leads to once aliases are followed, whether or not their providers are known.

        Raises:
            UnknownModel: aliases form a loop.
        """
        return tuple(self._follow(name, ()))

    def configured(self) -> str:
        """Providers and aliases, for messages."""
        providers = ", ".join(sorted(self._providers))
        aliases = ", ".join(sorted(self._models))
        none = "none is configured yet; set a provider's key, or [providers.<name>] in homa.toml"
        known = f"configured providers are {providers}" if providers else none
        return known + (f", aliases {aliases}" if aliases else "")

    def _hops(self, name: str, path: tuple[str, ...]) -> Iterator[Hop]:
        key, alias = name.strip().lower(), self.alias(name)
        if alias is None:
            yield self._parsed(name)
            return
        here = _path(key, path)
        if alias.target is None:
            yield self._pool(key, alias, path)
        else:
            yield from self._hops(alias.target, here)
        for following in alias.fallbacks:
            yield from self._hops(following, here)

    def _pool(self, key: str, alias: ModelAlias, path: tuple[str, ...]) -> Pool:
        members: dict[str, Target] = {}
        for name in alias.pool:
            for target in self._firsts(name, _path(key, path)):
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
        here = _path(name.strip().lower(), path)
        for following in alias.targets:
            yield from self._firsts(following, here)

    def _follow(self, name: str, path: tuple[str, ...]) -> Iterator[str]:
        alias = self.alias(name)
        if alias is None:
            yield name
            return
        here = _path(name.strip().lower(), path)
        for following in (*alias.targets, *alias.fallbacks):
            yield from self._follow(following, here)

    def _parsed(self, name: str) -> Target:
        if ":" not in name:
            candidates = [*self._models, *(f"{provider}:{name.strip()}" for provider in self._providers)]
            raise UnknownModel(
                f"{name!r} is not a configured model: expected provider:model or an alias; {self.configured()}"
                f"{suggestion(nearest(name.strip().lower(), candidates))}"
            )
        return Target.parse(name)


def suggestion(name: str | None) -> str:
    """What is added to a message where a name is near the one that is unknown."""
    return f"; did you mean {name!r}?" if name else ""


def one_of(known: Collection[str]) -> str:
    """What is added to a message where a name is unknown: those that there are."""
    return f"expected one of {', '.join(known)}" if known else "there is none yet"


def _path(key: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """The aliases followed so far, and one more."""
    if key in path:
        raise UnknownModel(f"model {path[0]!r} leads to itself: {' → '.join((*path, key))}; expected a target")
    return (*path, key)
