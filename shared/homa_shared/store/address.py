"""Where a store is: a URL, taken apart once and checked before anything connects.

    redis://[user:password@]host[:6379][/db]
    rediss://…                              the same over TLS; options ssl_ca_certs, ssl_certfile, ssl_keyfile,
                                            ssl_cert_reqs (none, optional, required), ssl_check_hostname
    unix://[user:password@]/path/to/socket[?db=0]
    redis+sentinel://[user:password@]host[:26379],host[:26379]…/service[/db]
                                            user and password are the store's; the sentinels' own are the options
                                            sentinel_username and sentinel_password
    rediss+sentinel://…                     the same with TLS to the sentinels and to the store that they name; the
                                            options of both

Reserved characters in user names, passwords and paths are percent-encoded, as in every URL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, quote, unquote

from homa_shared.model.errors import ConfigError

if TYPE_CHECKING:
    from homa_shared.encryption.keyring import Keyring

SETTING = "HOMA_REDIS_URL"
REDIS_PORT = 6379
SENTINEL_PORT = 26379

_URL = re.compile(r"\A(?P<scheme>[a-z+]+)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?", re.ASCII)
_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.%]+\]|[^:\[\]\s]+)(?::(?P<port>\d{1,5}))?", re.ASCII)
_TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"})
_SENTINEL_OPTIONS = frozenset({"sentinel_username", "sentinel_password"})
_OPTIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "redis": frozenset(),
        "rediss": _TLS_OPTIONS,
        "unix": frozenset({"db"}),
        "redis+sentinel": _SENTINEL_OPTIONS,
        "rediss+sentinel": _SENTINEL_OPTIONS | _TLS_OPTIONS,
    }
)
_SECRET_OPTIONS = frozenset({"sentinel_password"})
_CREDENTIALS = _SECRET_OPTIONS | {"sentinel_username"}


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """One store's address. `str()` masks its secrets and is fit for logs; `url` has them and is fit for a child's
    environment only.
    """

    url: str = field(repr=False)
    #: redis, rediss, unix, redis+sentinel or rediss+sentinel.
    scheme: str
    #: (host, port) of the store, or of every sentinel; empty for a unix socket.
    hosts: tuple[tuple[str, int], ...] = ()
    socket_path: Path | None = None
    #: The name under which sentinels know the store.
    service: str | None = None
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    #: What stands behind the question mark: TLS files, the sentinels' credentials.
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Keys by which payloads are sealed that go there; None: they go in clear.
    keyring: Keyring | None = field(default=None, repr=False, compare=False)

    @classmethod
    def parse(cls, url: str, *, origin: str = SETTING) -> Self:
        """Take a store URL apart.

        Args:
            url: one of the forms in this module's docstring.
            origin: the setting that the URL came from, named in errors.

        Raises:
            ConfigError: the URL is none of these forms. The message never contains a password.
        """
        match = _URL.fullmatch(url.strip())
        if match is None or match["scheme"] not in _OPTIONS:
            raise _junk(url, origin, "is no store address")
        try:
            return cls(url=url.strip(), **_parts(match))
        except _PartError as part:
            raise _junk(url, origin, str(part)) from None

    @classmethod
    def of_socket(cls, path: Path) -> Self:
        """The address of a store that listens at a unix socket; the path may hold any character."""
        return cls.parse(f"unix://{quote(str(path))}")

    @property
    def is_tls(self) -> bool:
        return self.scheme.startswith("rediss")

    @property
    def has_credentials(self) -> bool:
        return bool(self.username or self.password or _CREDENTIALS & self.options.keys())

    def nameless(self) -> str:
        """The URL without user, password and the sentinels' own: what names the store, and may be written anywhere."""
        place, _, query = re.sub(r"(://)[^/?#]*@", r"\1", self.url).partition("?")
        kept = [part for part in query.split("&") if part and part.partition("=")[0] not in _CREDENTIALS]
        return place + (f"?{'&'.join(kept)}" if kept else "")

    def __str__(self) -> str:
        return masked(self.url)


def masked(url: str) -> str:
    """The URL with every password in it replaced by `***`; works on junk too, since junk is what errors quote."""
    # Greedy up to the last @ before any slash-less tail: a password with an unescaped @ or / must not shine through.
    without_password = re.sub(r"(://[^:@/]*:).*@", r"\1***@", url, flags=re.DOTALL)
    return re.sub(r"([?&](?:" + "|".join(_SECRET_OPTIONS) + r")=)[^&#]*", r"\1***", without_password)


class _PartError(Exception):
    """One part of a store URL is not what it should be."""


def _junk(url: str, origin: str, complaint: str) -> ConfigError:
    return ConfigError(
        f"{origin}: {masked(url)!r} {complaint}; expected redis://host:6379/0, rediss://…, unix:///path/to/socket or "
        "redis+sentinel://host1,host2/service/0 (reserved characters in a password are percent-encoded)"
    )


def _parts(match: re.Match[str]) -> dict[str, Any]:
    scheme, path = match["scheme"], match["path"]
    credentials, _, hosts = match["authority"].rpartition("@")
    options = _options(scheme, match["query"] or "")
    username, _, password = credentials.partition(":")
    parts: dict[str, Any] = {
        "scheme": scheme,
        "username": unquote(username) or None,
        "password": unquote(password) or None,
        "options": MappingProxyType(options),
    }
    if scheme == "unix":
        return parts | _socket_parts(hosts, path, options)
    if scheme.endswith("+sentinel"):
        return parts | _sentinel_parts(hosts, path)
    if "," in hosts:
        raise _PartError("names several hosts, which only redis+sentinel:// and rediss+sentinel:// take")
    return parts | {"hosts": (_host(hosts, REDIS_PORT),), "db": _db(path.strip("/"))}


def _socket_parts(host: str, path: str, options: dict[str, str]) -> dict[str, Any]:
    if host or path in {"", "/"}:
        raise _PartError("has no absolute socket path (three slashes: unix:///path)")
    return {"socket_path": Path(unquote(path)), "db": _db(options.pop("db", ""))}


def _sentinel_parts(hosts: str, path: str) -> dict[str, Any]:
    service, _, db = path.strip("/").partition("/")
    if not service:
        raise _PartError("names no service after the sentinels' hosts")
    return {
        "hosts": tuple(_host(host.strip(), SENTINEL_PORT) for host in hosts.split(",")),
        "service": unquote(service),
        "db": _db(db),
    }


def _host(text: str, default_port: int) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    if match is None:
        # The text is not quoted: with a password that holds an unescaped slash it is half of that password.
        raise _PartError("has no usable host and port")
    port = int(match["port"] or default_port)
    if not 0 < port < 65536:
        raise _PartError("has a port that is not between 1 and 65535")
    return unquote(match["name"].strip("[]")), port


def _db(text: str) -> int:
    if not re.fullmatch(r"\d{0,6}", text, re.ASCII):
        raise _PartError("has a database that is not a number")
    return int(text or 0)


def _options(scheme: str, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if "@" in query:
            # Nothing that follows an unescaped reserved character of a password is quoted.
            raise _PartError("has an @ behind its question mark")
        if name not in _OPTIONS[scheme]:
            known = ", ".join(sorted(_OPTIONS[scheme])) or "none"
            raise _PartError(f"has the unknown option {name!r} (known for {scheme}://: {known})")
    if options.get("ssl_cert_reqs", "required") not in {"none", "optional", "required"}:
        raise _PartError("has an ssl_cert_reqs that is not none, optional or required")
    if options.get("ssl_check_hostname", "true").lower() not in {"true", "false"}:
        raise _PartError("has an ssl_check_hostname that is neither true nor false")
    return options
