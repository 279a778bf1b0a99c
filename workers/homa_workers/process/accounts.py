"""What an adapter is made from: the settings of an account, with its key."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from homa_shared.settings.explain import secret_parts
from homa_shared.settings.model import Settings
from homa_shared.settings.outgoing import check_key, check_outgoing
from homa_shared.settings.proxies import proxy_passwords
from homa_shared.settings.sections import ProviderSettings
from homa_shared.store.connection import StoreAddress
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.registry import create
from homa_workers.providers.rotating_key import RotatingKeyProvider
from homa_workers.providers.secrets import Secrets

#: Credentials that the AWS SDK finds by itself.
_SECRET_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK")


def account_config(name: str, given: ProviderSettings) -> ProviderConfig:
    """What the adapter of a configured provider is made from.

    Raises:
        ConfigError: its key cannot be read; or the key, a header or a proxy is such that nothing could be sent.
    """
    check_outgoing(name, given)
    options: Mapping[str, Any] = {**({"region": given.region} if given.region else {}), **given.options}
    return ProviderConfig(
        name=name,
        kind=str(given.kind),
        api_key=SecretStr(key) if (key := given.key()) else None,
        base_url=given.base_url,
        timeout_s=given.timeout_s,
        keep_alive_s=given.keep_alive_s,
        concurrency=given.concurrency,
        reply_max_bytes=given.reply_max_bytes,
        options=options,
    )


def account(name: str, given: ProviderSettings, secrets: Secrets) -> Provider:
    """The adapter of a configured provider; one that follows the key in its file, where it has one.

    Args:
        secrets: gets the keys that come to stand in the file.

    Raises:
        ConfigError: its settings cannot be used.
        MissingExtra: its kind's SDK is not installed.
    """
    config = account_config(name, given)
    if given.api_key_file is None:
        return create(config)

    def read_key() -> str:
        key = given.key() or ""
        check_key(name, key, f"the file {given.api_key_file}")
        secrets.add(key)
        return key

    return RotatingKeyProvider(read_key(), read_key, lambda key: create(replace(config, api_key=SecretStr(key))))


def secrets_of(settings: Settings, address: StoreAddress | None = None) -> Secrets:
    """What this process must not tell: keys, headers and passwords of its accounts, its proxies and its store."""
    found = Secrets([*proxy_passwords(), *(os.environ[name] for name in _SECRET_VARIABLES if name in os.environ)])
    for given in settings.providers.values():
        for secret in account_secrets(given):
            found.add(secret)
    if address is not None:
        for password in (address.password, address.options.get("sentinel_password")):
            if password:
                found.add(password)
    return found


def account_secrets(given: ProviderSettings) -> Iterator[str]:
    """Key, headers and passwords of an account."""
    if given.api_key_file is None and (key := given.key()):
        yield key
    yield from secret_parts(given.base_url or "")
    for option, value in given.options.items():
        if option.startswith("aws_") and isinstance(value, str):
            yield value
    headers = given.options.get("headers", {})
    for value in headers.values() if isinstance(headers, Mapping) else ():
        if isinstance(value, str):
            yield value
            # "Bearer …": servers repeat what stands behind the scheme.
            yield from (part for part in value.split()[1:] if part)
