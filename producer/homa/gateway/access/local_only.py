"""What is asked of a request while no key has been made: that it is this machine's, and of no other site's page.

A page of any site can make a browser send requests to an address of this machine. Its own name for that address stands
in Host (DNS rebinding), and its own address in Origin: both must be this machine's. Headers that a proxy would set are
not looked at.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import Request

from homa.gateway.errors import ApiError

_MAKE_ONE = "make a key with `homa keys create`, and show it"


def require_local(request: Request) -> None:
    """Raises ApiError for a request that is not from this machine, or from a page of another site."""
    if request.client is None or not is_loopback(request.client.host):
        raise ApiError(403, f"without a key only this machine is answered: {_MAKE_ONE}", "local_only")
    hosts = request.headers.getlist("host")
    if len(hosts) != 1 or not is_loopback(_name(hosts[0])):
        raise ApiError(403, f"Host is not this machine's: expected localhost; or {_MAKE_ONE}", "foreign_host")
    require_own_page(request)


def require_own_page(request: Request) -> None:
    """Raises ApiError for a request that a browser sends for a page of another site."""
    hosts = request.headers.getlist("host")
    origin = request.headers.get("origin")
    if origin is not None and [urlsplit(origin).netloc.lower()] != [host.lower() for host in hosts]:
        raise ApiError(403, "Origin is another site's: pages of others are not answered", "foreign_origin")
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise ApiError(403, "sent by a page of another site: pages of others are not answered", "foreign_origin")


@lru_cache(256)
def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _name(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host
