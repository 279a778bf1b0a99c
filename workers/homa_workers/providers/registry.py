"""Which adapter serves which kind of provider. An adapter and its SDK are loaded when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from homa_shared.kinds.registry import ENTRY_POINT_GROUP
from homa_shared.model.errors import ConfigError, MissingExtra
from homa_workers.providers.base import Provider, ProviderConfig

#: Takes a ProviderConfig; third parties' are objects of entry points.
Factory = Callable[[ProviderConfig], Provider]


class _Builtin(NamedTuple):
    module: str
    factory: str
    #: The extra that installs its SDK.
    extra: str
    #: Names that `[providers.<name>.options]` may have.
    options: frozenset[str]


_OPENAI = frozenset({"headers", "organization", "params", "project"})
_ANTHROPIC = frozenset({"headers", "max_tokens"})
_GEMINI = frozenset({"api_version", "headers", "location", "project"})
_BEDROCK = frozenset(
    {"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "max_tokens", "profile", "region"}
)
#: Kinds whose calls carry their key in the header that a user and password of an address would need.
_BEARERS = frozenset({"openai", "azure", "ollama", "cohere", "anthropic"})
BUILTIN = {
    "openai": _Builtin("homa_workers.providers.openai.chat", "openai", "workers", _OPENAI),
    "azure": _Builtin("homa_workers.providers.openai.chat", "azure", "workers", _OPENAI),
    "ollama": _Builtin("homa_workers.providers.openai.chat", "ollama", "workers", _OPENAI),
    "cohere": _Builtin("homa_workers.providers.openai.chat", "cohere", "workers", _OPENAI),
    "anthropic": _Builtin("homa_workers.providers.anthropic.adapter", "AnthropicProvider", "workers", _ANTHROPIC),
    "gemini": _Builtin("homa_workers.providers.gemini.adapter", "GeminiProvider", "gemini", _GEMINI),
    "bedrock": _Builtin("homa_workers.providers.bedrock.adapter", "BedrockProvider", "bedrock", _BEDROCK),
}


def kinds() -> list[str]:
    """Every kind that `create` knows, third parties' included."""
    return sorted({*BUILTIN, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))})


def create(config: ProviderConfig) -> Provider:
    """Make the adapter for a configured provider; it connects at the first call.

    Raises ConfigError for an unknown kind or an unusable setting, MissingExtra where the kind's SDK is not installed.
    """
    _check_address(config)
    if builtin := BUILTIN.get(config.kind):
        _check_options(config, builtin.options)
    return _factory(config)(config)


def _check_address(config: ProviderConfig) -> None:
    """What no client can even read, or send to, would end each job as a defect."""
    try:
        address = urlsplit(config.base_url or "")
        _ = address.port
        if address.username and config.kind in _BEARERS:
            raise ValueError("it names a user, beside the key that calls of this kind carry")
    except ValueError as error:
        shown = str(config.base_url).rpartition("@")[2]
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


def _factory(config: ProviderConfig) -> Factory:
    if builtin := BUILTIN.get(config.kind):
        return _load_builtin(config.kind, builtin)
    for point in entry_points(group=ENTRY_POINT_GROUP, name=config.kind):
        return cast(Factory, point.load())
    raise ConfigError(
        f"provider {config.name!r} is of kind {config.kind!r}; expected one of {', '.join(kinds())}. "
        f"Set HOMA_PROVIDERS__{config.name.upper()}__KIND, or install the package that brings this kind."
    )


def _load_builtin(kind: str, builtin: _Builtin) -> Factory:
    try:
        module = import_module(builtin.module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("homa"):
            raise
        raise MissingExtra(f"a provider of kind {kind!r}", builtin.extra) from error
    return cast(Factory, getattr(module, builtin.factory))
