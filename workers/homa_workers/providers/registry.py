"""Which adapter serves which kind of provider. An adapter and its SDK are loaded when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import NamedTuple, cast

from homa_shared.errors import ConfigError, MissingExtra
from homa_shared.settings.kinds import ENTRY_POINT_GROUP
from homa_workers.providers.base import Provider, ProviderConfig

#: Takes a ProviderConfig; third parties' are objects of entry points.
Factory = Callable[[ProviderConfig], Provider]


class _Builtin(NamedTuple):
    module: str
    factory: str
    #: The extra that installs its SDK.
    extra: str


BUILTIN = {
    "openai": _Builtin("homa_workers.providers.openai_chat", "openai", "workers"),
    "azure": _Builtin("homa_workers.providers.openai_chat", "azure", "workers"),
    "ollama": _Builtin("homa_workers.providers.openai_chat", "ollama", "workers"),
    "cohere": _Builtin("homa_workers.providers.openai_chat", "cohere", "workers"),
    "anthropic": _Builtin("homa_workers.providers.anthropic_messages", "AnthropicProvider", "workers"),
    "gemini": _Builtin("homa_workers.providers.gemini", "GeminiProvider", "gemini"),
    "bedrock": _Builtin("homa_workers.providers.bedrock", "BedrockProvider", "bedrock"),
}


def kinds() -> list[str]:
    """Every kind that `create` knows, third parties' included."""
    return sorted({*BUILTIN, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))})


def create(config: ProviderConfig) -> Provider:
    """Make the adapter for a configured provider; it connects at the first call.

    Raises ConfigError for an unknown kind or an unusable setting, MissingExtra where the kind's SDK is not installed.
    """
    return _factory(config)(config)


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
