"""Where what a schedule's run came to may be delivered: webhooks, files, object stores, mail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from homa_shared.model.errors import InvalidRequest
from homa_shared.model.webhook_urls import checked_webhook
from homa_shared.schedules.variables import holes_in

Kind: TypeAlias = Literal["webhook", "mail", "file"]

#: Object stores and directories, by scheme; a path stands for itself.
_STORES = ("file", "s3", "gs", "az", "azure", "abfss")
_EXPECTED = (
    "expected https://…, mailto:name@host, or a directory or bucket such as /var/digests/ or s3://bucket/digests/"
)
#: Most targets of a schedule, and most characters of one.
_MOST, _LONGEST = 10, 2000
#: What no plain address has before or behind its @ (RFC 5321, 4.1.2: Dot-string and Domain).
_NOT_IN_ADDRESS = re.compile(r"[\s@,;:<>\"()\\]")


def kind_of(target: str) -> Kind:
    """What delivers to a target."""
    scheme = urlsplit(target).scheme.lower()
    return "webhook" if scheme in ("http", "https") else "mail" if scheme == "mailto" else "file"


def checked_targets(given: object, zone: str) -> tuple[str, ...]:
    """Targets as they are stored, each once; a mail to several people becomes one to each.

    Args:
        given: one or several of them; None: none.
        zone: IANA name of the zone in which variables of file names are told.

    Raises:
        InvalidRequest: something of them is wrong.
    """
    if given is None:
        return ()
    targets = [given] if isinstance(given, str) else given
    if not isinstance(targets, Sequence) or not all(isinstance(target, str) for target in targets):
        raise InvalidRequest(f"deliver is {given!r:.80}: {_EXPECTED}; or a list of them")
    found = [one for target in targets for one in _checked(target, zone)]
    if len(found) > _MOST:
        raise InvalidRequest(f"deliver has {len(found)} targets: expected at most {_MOST}")
    return tuple(dict.fromkeys(found))


def shown_target(target: str) -> str:
    """A target for people: what stands behind the host of a webhook is often its secret."""
    url = urlsplit(target)
    return f"{url.scheme}://{url.netloc}/..." if kind_of(target) == "webhook" else target


def recipient_of(target: str) -> str:
    """Whom a mail goes to."""
    return unquote(target.partition(":")[2])


def _checked(target: str, zone: str) -> list[str]:
    if len(target) > _LONGEST or not target.isprintable() or target != target.strip():
        raise _wrong(target, f"{_EXPECTED}, of at most {_LONGEST} printable characters")
    try:
        scheme = urlsplit(target).scheme.lower()
    except ValueError as error:
        raise _wrong(target, f"{error}; {_EXPECTED}") from None
    if scheme in ("http", "https"):
        return [checked_webhook("deliver", target)]
    if scheme == "mailto":
        return _checked_mail(target)
    return [_checked_file(target, scheme, zone)]


def _checked_mail(target: str) -> list[str]:
    people = [person.strip() for person in recipient_of(target).split(",")]
    for person in people:
        name, _, host = person.partition("@")
        if not (name and host) or _NOT_IN_ADDRESS.search(name + host) or not person.isprintable():
            raise _wrong(target, "expected mailto:name@host, or several addresses with commas between them")
    # `recipient_of` decodes what is stored.
    return [f"mailto:{person.replace('%', '%25')}" for person in people]


def _checked_file(target: str, scheme: str, zone: str) -> str:
    if scheme and scheme not in _STORES:
        raise _wrong(target, _EXPECTED)
    url = urlsplit(target)
    path, host = (url.path, url.netloc) if scheme else (target, "")
    if scheme in ("", "file") and not (path.startswith("/") and host in ("", "localhost")):
        raise _wrong(target, "expected an absolute path, since a worker writes there; or a URL")
    if scheme and (url.query or url.fragment):
        raise _wrong(target, "expected a URL without ? and #: a file's name has them as %3F and %23")
    if ".." in unquote(path).split("/"):
        raise _wrong(target, "expected a path without '..'")
    if scheme not in ("", "file") and not host:
        raise _wrong(target, "expected a bucket, as in s3://bucket/digests/")
    if not target.endswith("/") and not holes_in(target, zone):
        raise _wrong(
            target,
            "each tick would replace what the one before wrote; expected a directory, with / at its end, "
            "or a name with {{tick}} in it, such as digest-{{tick:%Y-%m-%d}}.json",
        )
    return target


def _wrong(target: str, expected: str) -> InvalidRequest:
    return InvalidRequest(f"deliver is {target!r:.120}: {expected}")
