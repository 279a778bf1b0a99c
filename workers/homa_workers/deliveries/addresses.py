"""Which addresses a webhook may be at: public ones alone, unless the operator allows others.

Whoever may make a schedule names the URL, and a worker stands inside the operator's network, beside a cloud's metadata
service. The check stands where the socket is made, behind all that reads URLs and resolves names: however a host is
written, and whatever its name resolves to when it is asked again (DNS rebinding), the address that is connected to is
the one that was looked at.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

#: Addresses of IPv4 behind a translator (RFC 6052).
_NAT64 = ip_network("64:ff9b::/96")
#: All that is assigned of IPv6 for anybody to reach (RFC 4291, 2.4).
_GLOBAL_UNICAST = ip_network("2000::/3")
#: Not for anybody, though not all releases of Python know: those of protocols (RFC 6890), and Azure's for its machines.
_NOT_PUBLIC = (ip_network("192.0.0.0/24"), ip_network("168.63.129.16/32"))


class AddressRefused(OSError):
    """An address is not public."""


def public_socket(to: tuple[Any, ...]) -> socket.socket:
    """A socket that is about to be connected to an address, as getaddrinfo tells it.

    Raises:
        AddressRefused: the address is not public.
    """
    family, kind, protocol, _, address = to
    if not is_public(address[0]):
        # The same words for each address of a host: aiohttp puts different ones together in an error of its own.
        raise AddressRefused("not a public address")
    return socket.socket(family, kind, protocol)


def is_public(address: str) -> bool:
    """Whether an address is anybody's to reach; that within one of IPv6 counts, where there is one."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv4Address):
        return found.is_global and not found.is_multicast and not any(found in net for net in _NOT_PUBLIC)
    inner = _inner(found)
    if inner is not None:
        return is_public(str(inner))
    return found in _GLOBAL_UNICAST and found.is_global


def _inner(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
