"""Which proxy the environment sets for an address, as curl and requests read it.

`https_proxy`, `http_proxy` and, for both, `all_proxy`; the small form counts before the large one, and an empty one
means none. `no_proxy` lists hosts that are reached without: names with all that ends in them, addresses, networks
(10.0.0.0/8), each with a port or for all; `*` is every host. Sources: curl's manual (ENVIRONMENT), requests.utils.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import unquote, urlsplit

from homa_shared.model.errors import ConfigError

#: What the transports of all kinds speak to a proxy.
SCHEMES = ("http", "https")
_PORTS = {"http": 80, "https": 443}


def proxy_for(url: str, env: Mapping[str, str] | None = None) -> str | None:
    """The proxy for an address, None where it is reached without.

    Args:
        env: variables; the process's own where nothing is given.

    Raises:
        ConfigError: the proxy is of another kind than those that calls can go through, or not an address; the message
            shows no password.
    """
    variables = os.environ if env is None else env
    parts = urlsplit(url)
    if parts.hostname is None or parts.scheme not in _PORTS:
        return None
    found = _variable(variables, f"{parts.scheme}_proxy") or _variable(variables, "all_proxy")
    if found is None or not found[1] or _is_exempt(parts.hostname, parts.port or _PORTS[parts.scheme], variables):
        return None
    name, proxy = found
    return _checked(name, proxy if "://" in proxy else f"http://{proxy}")


def proxy_passwords(env: Mapping[str, str] | None = None) -> list[str]:
    """Passwords of all proxies that the environment names."""
    variables = os.environ if env is None else env
    found = [_variable(variables, name) for name in ("http_proxy", "https_proxy", "all_proxy")]
    return [password for one in found if one is not None and (password := _password(one[1]))]


def _password(proxy: str) -> str | None:
    try:
        password = urlsplit(proxy if "://" in proxy else f"http://{proxy}").password
    except ValueError:
        return None
    return unquote(password) if password else None


def _variable(variables: Mapping[str, str], name: str) -> tuple[str, str] | None:
    """Name and value of a variable in its small or its large form."""
    for form in (name, name.upper()):
        # Whoever calls a CGI script could set HTTP_PROXY by a header of its own (httpoxy).
        if form in variables and not (form == "HTTP_PROXY" and "REQUEST_METHOD" in variables):
            return form, variables[form].strip()
    return None


def _checked(name: str, proxy: str) -> str:
    expected = "calls go through proxies at http://host:port and https://host:port only"
    scheme = proxy.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise ConfigError(
            f"{name} names a proxy of kind {scheme}://, and {expected}. Set it to such a one, or exempt the provider's "
            "host in no_proxy."
        )
    try:
        parts = urlsplit(proxy)
        if not parts.hostname or parts.port == 0 or not proxy.isascii() or re.search(r"[\s\x00-\x1f]", proxy):
            raise ValueError(f"{name} holds no usable address")
    except ValueError:
        raise ConfigError(f"{name} is not the address of a proxy: {expected}.") from None
    return proxy


def _is_exempt(host: str, port: int, variables: Mapping[str, str]) -> bool:
    found = _variable(variables, "no_proxy")
    entries = re.split(r"[\s,]+", found[1].lower()) if found else []
    return any(_covers(entry, host.lower().rstrip("."), port) for entry in entries if entry)


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name, entry_port = _split_port(entry)
    if entry_port is not None and entry_port != port:
        return False
    address = _address(host)
    if address is not None:
        return _holds(name, address)
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _split_port(entry: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(\d+))?", entry, re.ASCII)
    if match is None:  # an IPv6 address without brackets
        return entry, None
    return match[1].strip("[]"), int(match[2]) if match[2] else None


def _holds(network: str, address: IPv4Address | IPv6Address) -> bool:
    try:
        return address in ip_network(network, strict=False)
    except ValueError:
        return False


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
