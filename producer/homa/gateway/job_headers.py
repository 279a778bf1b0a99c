"""Headers that say more about a job than the API's own body can: `idempotency-key` and `x-homa-…`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from homa_shared.model.errors import InvalidRequest

_YES, _NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


def _listed(name: str, value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _named(name: str, value: str) -> dict[str, str]:
    found = {}
    for part in _listed(name, value):
        key, equals, said = part.partition("=")
        if not equals:
            raise InvalidRequest(f"{name} is {value!r:.80}: expected key=value, separated by commas")
        found[key.strip()] = said.strip()
    return found


def _yes_or_no(name: str, value: str) -> bool:
    if value.strip().lower() in _YES | _NO:
        return value.strip().lower() in _YES
    raise InvalidRequest(f"{name} is {value!r:.80}: expected true or false")


def _seconds(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InvalidRequest(f"{name} is {value!r:.80}: expected seconds") from None


def _as_it_is(name: str, value: str) -> str:
    return value


#: Header -> option of a job, and how its text is read; the option's own check follows.
_OPTIONS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "idempotency-key": ("key", _as_it_is),
    "x-homa-fallbacks": ("fallbacks", _listed),
    "x-homa-tags": ("tags", _named),
    "x-homa-lane": ("lane", _as_it_is),
    "x-homa-deadline-s": ("deadline_s", _seconds),
    "x-homa-budget-usd": ("budget_usd", _as_it_is),
    "x-homa-cache": ("cache", _yes_or_no),
    "x-homa-webhook": ("webhook", _as_it_is),
}
NAMES = tuple(_OPTIONS)
#: URL that is told of the end.
WEBHOOK = "x-homa-webhook"
#: Whether the job goes on when its client goes away.
KEEP = "x-homa-keep"


def job_options(headers: Mapping[str, str]) -> dict[str, Any]:
    """Options of a job that a request's headers give.

    Raises:
        InvalidRequest: one cannot be read; it is named.
    """
    is_kept(headers)
    return {option: read(header, headers[header]) for header, (option, read) in _OPTIONS.items() if headers.get(header)}


def is_kept(headers: Mapping[str, str]) -> bool:
    """Whether a job outlives its client. Who gives a key means to come back for it, unless it says otherwise."""
    said = headers.get(KEEP)
    return _yes_or_no(KEEP, said) if said else bool(headers.get("idempotency-key"))
