"""Which secrets sign a webhook: those of its tenant, else of its endpoint, else of the worker.

A tenant's own come first: one that names another's address must not have its webhooks signed as the other's are. They
stand in the settings of workers alone, like keys of providers. Several sign side by side, as Standard Webhooks has it
for the time in which a receiver changes from one to the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from yarl import URL

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
        urls = {_plain(name): keys for name, keys in given.items() if "://" in name}
        return cls(
            _keys(settings.deliver_secret),
            {name: keys for name, keys in given.items() if "://" not in name},
            dict(sorted(urls.items(), key=lambda item: len(item[0]), reverse=True)),
        )

    def keys(self, url: str, tenant: str) -> Keys:
        """What signs a webhook of a tenant to a URL."""
        if (own := self.tenants.get(tenant)) is not None:
            return own
        plain = _plain(url)
        return next((keys for beginning, keys in self.endpoints.items() if _is_below(plain, beginning)), self.default)


def _keys(secrets: Iterable[SecretStr]) -> Keys:
    return tuple(signing_key(secret.get_secret_value()) for secret in secrets)


def _plain(url: str) -> str:
    """A URL as it is posted to: `/acme/../other` goes to `/other`, and is signed for that (RFC 3986, 6.2.2)."""
    try:
        return str(URL(url))
    except ValueError:  # what cannot be read is posted nowhere
        return url


def _is_below(url: str, beginning: str) -> bool:
    """Whether it is that address or one below it: `https://a.example` is no beginning of `https://a.example.org`."""
    rest = url[len(beginning) :]
    return url.startswith(beginning) and (not rest or beginning.endswith("/") or rest.startswith(_ENDS))
