"""Servers of a region at providers without a kind of their own: whose price list counts there, and what comes on top.

xAI: docs.x.ai/developers/advanced-api-usage/regions, read on 30 November 2026. Kinds say theirs in their `Billing`.
"""

from __future__ import annotations

from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple


class RegionalServer(NamedTuple):
    #: The provider's usual server, by which price lists know it.
    usual: str
    #: What prices of tokens are multiplied by.
    factor: Fraction


#: By scheme and host.
_SERVERS = MappingProxyType({"https://us.api.x.ai": RegionalServer("https://api.x.ai", Fraction(11, 10))})


def usual_server(endpoint: str) -> str:
    """The server by which price lists know a provider."""
    found = _SERVERS.get(endpoint)
    return endpoint if found is None else found.usual


def regional_factor(endpoint: str) -> Fraction:
    """What prices of tokens are multiplied by at a server."""
    found = _SERVERS.get(endpoint)
    return Fraction(1) if found is None else found.factor
