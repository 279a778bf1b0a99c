"""URLs that workers may be told to post to."""

from __future__ import annotations

from urllib.parse import urlsplit

from homa_shared.model.errors import InvalidRequest

#: Most characters of one.
LONGEST = 2000
_EXPECTED = "expected a URL such as https://example.com/hook"


def checked_webhook(name: str, url: object) -> str:
    """A URL that workers may be told to post to; to which addresses, their settings say.

    Args:
        name: of the option that has it.

    Raises:
        InvalidRequest: it is none.
    """
    if not isinstance(url, str) or len(url) > LONGEST or not url.isprintable() or any(map(str.isspace, url)):
        raise _wrong(name, url, f"{_EXPECTED}, of at most {LONGEST} printable characters without spaces")
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise _wrong(name, url, _EXPECTED) from None
    if not has_host or parts.scheme.lower() not in ("http", "https"):
        raise _wrong(name, url, _EXPECTED)
    if parts.username is not None:
        # Not shown: what stands before the host is a password.
        raise InvalidRequest(
            f"{name} has a user in the URL of {parts.hostname}, which the store would keep and show: "
            "expected a URL without one; deliveries are signed where workers have deliver_secret"
        )
    return url


def _wrong(name: str, url: object, expected: str) -> InvalidRequest:
    return InvalidRequest(f"{name} is {url!r:.120}: {expected}")
