"""What an adapter is made from: the settings of an account, with its key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from homa_shared.settings.sections import ProviderSettings
from homa_workers.providers.base import ProviderConfig


def account_config(name: str, given: ProviderSettings) -> ProviderConfig:
    """What the adapter of a configured provider is made from.

    Raises:
        ConfigError: its key cannot be read.
    """
    options: Mapping[str, Any] = {**({"region": given.region} if given.region else {}), **given.options}
    return ProviderConfig(
        name=name,
        kind=str(given.kind),
        api_key=SecretStr(key) if (key := given.key()) else None,
        base_url=given.base_url,
        timeout_s=given.timeout_s,
        concurrency=given.concurrency,
        reply_max_bytes=given.reply_max_bytes,
        options=options,
    )
