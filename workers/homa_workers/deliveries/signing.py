"""Which secrets sign a webhook: those of its endpoint, else of its tenant, else of the worker.

They stand in the settings of workers alone, like keys of providers. Several sign side by side, as Standard Webhooks has
it for the time in which a receiver changes from one to the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from homa_shared.settings.delivery_section import signing_key

if TYPE_CHECKING:
    from pydantic import SecretStr

    from homa_shared.settings.model import Settings

#: Bytes of the secrets that sign side by side, the newest first; empty: unsigned.
Keys = tuple[bytes, ...]
#: A beginning of a URL ends before one of these, or with one.
_ENDS = ("/", "?", "#")


@dataclass(frozen=True, slots=True)
class Signing:
    """The secrets of a worker."""

    #: Where neither endpoint nor tenant has some.
    default: Keys = ()
    tenants: Mapping[str, Keys] = field(default_factory=dict)
    #: By the beginning of a URL, the longest first.
    endpoints: Mapping[str, Keys] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Signing:
        given = {name: _keys(secrets) for name, secrets in settings.deliver_secrets.items()}
        urls = sorted((name for name in given if "://" in name), key=len, reverse=True)
        return cls(
            _keys(settings.deliver_secret),
            {name: keys for name, keys in given.items() if "://" not in name},
            {_plain(name): given[name] for name in urls},
        )

    def keys(self, url: str, tenant: str) -> Keys:
        """What signs a webhook of a tenant to a URL."""
        plain = _plain(url)
        endpoint = next((keys for beginning, keys in self.endpoints.items() if _is_below(plain, beginning)), None)
        return self.tenants.get(tenant, self.default) if endpoint is None else endpoint


def _keys(secrets: Iterable[SecretStr]) -> Keys:
    return tuple(signing_key(secret.get_secret_value()) for secret in secrets)


def _plain(url: str) -> str:
    """A URL whose scheme and host are in small letters: capitals there mean nothing (RFC 3986, 6.2.2.1)."""
    try:
        parts = urlsplit(url)
    except ValueError:  # what cannot be read is posted nowhere
        return url
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower()).geturl()


def _is_below(url: str, beginning: str) -> bool:
    """Whether it is that address or one below it: `https://a.example` is no beginning of `https://a.example.org`."""
    rest = url[len(beginning) :]
    return url.startswith(beginning) and (not rest or beginning.endswith("/") or rest.startswith(_ENDS))
