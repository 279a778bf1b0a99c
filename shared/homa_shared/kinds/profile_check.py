"""Whether a profile that another package brings is of the types that it declares, so that a slip is told where it is
made: at start, and not by a traceback in the middle of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from homa_shared.kinds.profile import KindProfile


def fault(profile: KindProfile) -> str | None:
    """The first attribute of a profile that is not of its type, with its value; None where all are."""
    return next(_faults(profile, ""), None) or _zone_fault(profile.quota.day_zone)


def _faults(part: object, path: str) -> Iterator[str]:
    record: type = type(part)
    for name, expected in _types(record).items():
        value, where = getattr(part, name), f"{path}{name}"
        if is_dataclass(expected) and isinstance(expected, type):
            if isinstance(value, expected):
                yield from _faults(value, f"{where}.")
                continue
        elif _fits(value, expected):
            yield from _faults_within(value, where)
            continue
        yield f"{where} is {value!r:.80}; expected {_spoken(expected)}"


def _faults_within(value: object, where: str) -> Iterator[str]:
    """Those of records that a tuple or a mapping holds."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value if isinstance(value, tuple) else ())
    for key, item in items:
        if is_dataclass(item):
            yield from _faults(item, f"{where}[{key!r}].")


def _fits(value: object, expected: Any) -> bool:
    if expected is Any:
        return True
    origin, arguments = get_origin(expected), get_args(expected)
    if origin is UnionType or (origin is not None and type(None) in arguments):
        return any(_fits(value, argument) for argument in arguments)
    if origin is None:
        # As type checkers have it, an int will do for a float; True is an int to Python, and to nobody else.
        accepted = (int, float) if expected is float else expected
        return isinstance(value, accepted) and not (expected in (int, float) and isinstance(value, bool))
    if not isinstance(value, origin):
        return False
    if issubclass(origin, Mapping):
        assert isinstance(value, Mapping)
        return all(_fits(key, arguments[0]) and _fits(item, arguments[1]) for key, item in value.items())
    if issubclass(origin, tuple) and Ellipsis not in arguments:
        assert isinstance(value, tuple)
        return len(value) == len(arguments) and all(map(_fits, value, arguments))
    if issubclass(origin, tuple | frozenset):
        assert isinstance(value, tuple | frozenset)
        return all(_fits(item, arguments[0]) for item in value)
    return True


@cache
def _types(record: type) -> Mapping[str, Any]:
    hints = get_type_hints(record)
    return {field.name: hints[field.name] for field in fields(record)}


def _zone_fault(zone: str) -> str | None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"quota.day_zone is {zone!r}; expected an IANA time zone such as UTC or America/Los_Angeles"
    return None


def _spoken(expected: Any) -> str:
    """A type as its author writes it."""
    if get_origin(expected) is UnionType:
        return " or ".join(map(_spoken, get_args(expected)))
    if expected is type(None):
        return "None"
    if get_origin(expected) is not None:
        if issubclass(get_origin(expected), Callable):  # type: ignore[arg-type]
            return "a function"
        inner = ", ".join(map(_spoken, (argument for argument in get_args(expected) if argument is not Ellipsis)))
        return f"{get_origin(expected).__name__} of {inner}"
    return str(getattr(expected, "__name__", expected))
