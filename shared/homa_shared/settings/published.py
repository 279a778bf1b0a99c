"""What the fleet gets to know of a process's accounts: neither keys nor addresses with credentials."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from homa_shared.settings.fleet import FleetProvider
from homa_shared.settings.sections import ProviderSettings

#: Parameters that stay with a worker, like its key.
_PRIVATE = frozenset({"extra_headers", "extra_query"})


def account_of(provider: ProviderSettings) -> FleetProvider:
    """An account as the fleet's settings have it."""
    return FleetProvider(
        kind=provider.kind,
        limits=provider.limits,
        models=provider.models,
        concurrency=provider.concurrency,
        embedding_texts=provider.embedding_texts,
        rpd_zone=provider.rpd_zone,
        price_list=provider.price_list,
        endpoint=_endpoint(provider.base_url),
        local=_is_local(provider.base_url),
        params=_published(provider.options.get("params")),
        data_region=provider.data_region,
        service_tier=provider.service_tier or _sent_tier(provider.options),
    )


def _published(params: object) -> dict[str, Any]:
    """An account's parameters as the fleet knows them, for the bound of its calls; headers may hold a key."""
    given = params if isinstance(params, Mapping) else {}
    return {name: value for name, value in given.items() if name not in _PRIVATE}


def _sent_tier(options: Mapping[str, Any]) -> str | None:
    """The tier that an account's own parameters ask for, in each call that names none."""
    params = options.get("params")
    tier = params.get("service_tier") if isinstance(params, Mapping) else None
    return tier if isinstance(tier, str) else None


def _endpoint(base_url: str | None) -> str | None:
    """Scheme and host, enough to recognise whose prices apply. A local server's stay on its machine."""
    host = urlsplit(base_url).hostname if base_url else None
    return None if host is None or _is_local(base_url) else f"https://{host}"


def _is_local(base_url: str | None) -> bool:
    host = urlsplit(base_url).hostname if base_url else None
    try:
        return host == "localhost" or (host is not None and ip_address(host).is_loopback)
    except ValueError:
        return False
