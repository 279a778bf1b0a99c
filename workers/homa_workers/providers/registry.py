"""Makes the adapter of a configured provider, by its kind's profile. An adapter and its SDK are loaded when first asked
for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast
from urllib.parse import urlsplit

from homa_shared.kinds.profile import KindProfile
from homa_shared.kinds.registry import is_kind, known_kinds, package_of, profile_of
from homa_shared.model.errors import ConfigError, HomaError, MissingExtra
from homa_shared.settings.explain import without_passwords
from homa_workers.providers.base import Provider, ProviderConfig

#: What a profile's `adapter` is, or leads to.
Factory = Callable[[ProviderConfig], Provider]
#: A module of these that is not there is a defect of Homa's own.
_OWN = ("homa", "homa_shared", "homa_workers")
#: What an adapter must have.
_MEMBERS = ("name", "kind", "complete", "stream", "embed", "count", "aclose")


def create(config: ProviderConfig) -> Provider:
    """Make the adapter for a configured provider; it connects at the first call.

    Raises ConfigError for an unknown kind or an unusable setting, MissingExtra where the kind's SDK is not installed.
    """
    profile = _profile(config)
    _check_address(config, profile)
    if profile.options is not None:
        _check_options(config, profile.options)
    return _made(config, profile)


def _profile(config: ProviderConfig) -> KindProfile:
    if not is_kind(config.kind):
        raise ConfigError(
            f"provider {config.name!r} is of kind {config.kind!r}; expected one of {', '.join(sorted(known_kinds()))}. "
            f"Set HOMA_PROVIDERS__{config.name.upper()}__KIND, or install the package that brings this kind."
        )
    return profile_of(config.kind)


def _check_address(config: ProviderConfig, profile: KindProfile) -> None:
    """What no client can even read, or send to, would end each job as a defect."""
    try:
        address = urlsplit(config.base_url or "")
        _ = address.port
        if address.username and not profile.connection.user_in_address:
            raise ValueError("it names a user, beside the key that calls of this kind carry")
    except ValueError as error:
        shown = without_passwords(str(config.base_url))
        raise ConfigError(
            f"provider {config.name!r} has base_url {shown!r}: {error}; expected an address such as "
            f"https://host:port/v1. Mend HOMA_PROVIDERS__{config.name.upper()}__BASE_URL."
        ) from error


def _check_options(config: ProviderConfig, known: frozenset[str]) -> None:
    """A slip of the pen in `organization` must not send calls to another account."""
    # The setting `region` reaches all kinds in this way.
    unknown = sorted(config.options.keys() - known - {"region"})
    if unknown:
        raise ConfigError(
            f"provider {config.name!r} has the option {unknown[0]!r}: kind {config.kind} expects "
            f"{', '.join(sorted(known))}. Mend [providers.{config.name}.options]."
        )


def _made(config: ProviderConfig, profile: KindProfile) -> Provider:
    factory = _factory(profile)
    try:
        made: object = factory(config)
    except HomaError:
        raise
    except Exception as error:
        raise ConfigError(
            f"the adapter of kind {profile.name!r} cannot be made for provider {config.name!r}: "
            f"{type(error).__name__}: {error}. {_remedy(profile)}"
        ) from error
    if not isinstance(made, Provider):
        lacks = ", ".join(name for name in _MEMBERS if not hasattr(made, name))
        raise ConfigError(
            f"the adapter of kind {profile.name!r} made for provider {config.name!r} is a {type(made).__name__} "
            f"without {lacks}; expected what homa_workers.providers.base.Provider has. {_remedy(profile)}"
        )
    return made


def _factory(profile: KindProfile) -> Factory:
    if not isinstance(profile.adapter, str):
        return cast(Factory, profile.adapter)
    module, _, attribute = profile.adapter.partition(":")
    try:
        if not module or not attribute:
            raise ConfigError('expected "module:attribute"')
        found = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] in _OWN:
            raise
        if profile.extra:
            raise MissingExtra(f"a provider of kind {profile.name!r}", profile.extra) from error
        raise _unloadable(profile, error) from error
    except Exception as error:
        raise _unloadable(profile, error) from error
    if not callable(found):
        raise _unloadable(profile, f"it is not a function that makes an adapter, but {found!r:.80}")
    return cast(Factory, found)


def _unloadable(profile: KindProfile, why: object) -> ConfigError:
    return ConfigError(
        f"the adapter of kind {profile.name!r}, {profile.adapter!r}, cannot be loaded: {why}. {_remedy(profile)}"
    )


def _remedy(profile: KindProfile) -> str:
    package = package_of(profile.name)
    return f"Mend its package{f' ({package})' if package else ''}."
