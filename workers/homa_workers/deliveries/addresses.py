"""Which addresses a webhook may be at: public ones alone, unless the operator allows others.

Whoever may make a schedule names the URL, and a worker stands inside the operator's network, beside a cloud's metadata
service. Names are resolved here, and the connection goes to an address that was looked at: one that is resolved again
for the connection could have become another (DNS rebinding).
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

#: Addresses of IPv4 behind a translator (RFC 6052).
_NAT64 = ip_network("64:ff9b::/96")


class AddressRefused(OSError):
    """A host has no public address."""


def is_public(address: str) -> bool:
    """Whether an address is anybody's to reach; that within one of IPv6 counts, where there is one."""
    found = ip_address(address.partition("%")[0])
    inner = _inner(found) if isinstance(found, IPv6Address) else None
    if inner is not None:
        return is_public(str(inner))
    return found.is_global and not found.is_multicast


def _inner(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def refuse_literal(host: str) -> None:
    """Raises AddressRefused for an address that is not public; aiohttp asks no resolver for one."""
    try:
        public = is_public(host)
    except ValueError:
        return
    if not public:
        raise AddressRefused(f"{host} is not a public address")


class PublicResolver(AbstractResolver):
    """Resolves names to their public addresses."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        public = [result for result in found if is_public(result["host"])]
        if not public:
            raise AddressRefused(f"{host} has no public address")
        return public

    async def close(self) -> None:
        await self._resolver.close()
