"""Settings as the environment of a process that is to have the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import SecretStr

from homa_shared.settings.model import Settings

_PREFIX = "HOMA_"


def whole_environment(settings: Settings, env: Mapping[str, str]) -> dict[str, str]:
    """An environment whose process has these settings, keys of providers among them.

    Args:
        env: everything else that is in it.
    """
    plain = settings.model_dump(mode="python", by_alias=True, exclude_defaults=True)
    said = settings.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    kept = {name: value for name, value in env.items() if not name.startswith(_PREFIX)}
    return kept | {_PREFIX + name.upper(): _written(_revealed(plain[name], value)) for name, value in said.items()}


def same_environment(settings: Settings, env: Mapping[str, str]) -> dict[str, str]:
    """An environment in which a process reads the sources that these settings came from, wherever it runs.

    Args:
        env: of this process.
    """
    found = {**env, "HOMA_NAMESPACE": settings.namespace, "HOMA_HOME": str(settings.home)}
    if settings.config_file is not None:
        found["HOMA_CONFIG"] = str(settings.config_file)
    if settings.redis_url is not None:
        found["HOMA_REDIS_URL"] = str(settings.redis_url)
    return found


def _revealed(plain: Any, said: Any) -> Any:
    """A value as JSON says it, where that does not mask it."""
    if isinstance(plain, SecretStr):
        return plain.get_secret_value()
    if isinstance(plain, Mapping):
        return {str(name): _revealed(value, said[str(name)]) for name, value in plain.items()}
    return said


def _written(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
