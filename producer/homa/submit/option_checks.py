"""Checks of the options of a job: each takes an option's name and value, and gives what is kept of it.

A wrong value is refused by the option's name, the value and what was expected. Those that a command line has a type
for are objects, so that the type is made from the same limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from math import isfinite
from operator import index
from types import UnionType
from typing import Any, SupportsIndex, Union, get_args, get_origin

from homa_shared.model.errors import InvalidRequest
from homa_shared.model.example_models import OPENAI

MAX_TAGS = 10
MAX_KEY_BYTES = 512
#: Of a job's metadata as JSON: it stands in the job's record.
MAX_METADATA_BYTES = 4096
#: Longest deadline, delay or slack, s: ten years.
_LONGEST_S = 10 * 365 * 86_400

#: What is kept of an option's value; None leaves the option out.
Check = Callable[[str, Any], Any]


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of some words."""

    words: tuple[str, ...]
    #: Words that are kept under other names.
    kept_as: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, name: str, value: object) -> str:
        if value not in self.words:
            listed = " or ".join(self.words) if len(self.words) == 2 else "one of " + ", ".join(self.words)
            raise wrong(name, value, listed)
        return self.kept_as.get(str(value), str(value))


class YesOrNo:
    """True or False."""

    def __call__(self, name: str, value: object) -> bool:
        if not isinstance(value, bool):
            raise wrong(name, value, "True or False")
        return value


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number that 31 bits hold."""

    least: int = 1

    def __call__(self, name: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not self.least <= value < 2**31:
            raise wrong(name, value, f"a whole number from {self.least} to {2**31 - 1:,}")
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A number within limits, as it was given."""

    least: int
    most: int

    def __call__(self, name: str, value: object) -> int | float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not self.least <= value <= self.most:  # type: ignore[operator]
            raise wrong(name, value, f"a number from {self.least} to {self.most}")
        return value  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Seconds:
    """A length of time in seconds, as ms."""

    #: Seconds.
    least: float = 0.0

    def __call__(self, name: str, value: object) -> int:
        number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        try:
            fits = number and self.least <= float(value) <= _LONGEST_S  # type: ignore[arg-type]
        except (OverflowError, ValueError):  # an integer beyond floats, a signalling NaN
            fits = False
        if not fits:
            least = "more than zero" if self.least else "zero or more"
            raise wrong(name, value, f"seconds, {least} and at most {_LONGEST_S:,} (ten years)")
        return round(float(value) * 1000)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Typed:
    """A value of a static type, such as `Mapping[str, float] | None`."""

    static: Any

    def __call__(self, name: str, value: object) -> object:
        if not _is_of(self.static, value):
            raise wrong(name, value, _in_words(self.static))
        return value


class Dollars:
    """An amount of dollars above zero, as nano-dollars."""

    def __call__(self, name: str, value: object) -> int:
        from homa_shared.model.money import parse_usd  # here, since help texts come from this table, too

        try:
            nano_usd = parse_usd(value)  # type: ignore[arg-type]
        except ValueError as error:
            raise InvalidRequest(f"{name}: {error}") from error
        if nano_usd == 0:
            raise wrong(name, value, "more than zero dollars")
        return nano_usd


def check_text(name: str, value: object) -> str:
    """Text that is not empty and that the store can keep."""
    if not isinstance(value, str) or not value:
        raise wrong(name, value, "text")
    _utf8(value, name)
    return value


def check_key(name: str, key: object) -> str:
    """An idempotency key."""
    if not isinstance(key, str) or not key or len(_utf8(key, name)) > MAX_KEY_BYTES:
        raise wrong(name, key, f"text of 1 to {MAX_KEY_BYTES} bytes")
    return key


def check_custom_id(name: str, custom_id: object) -> str:
    """The name of a line of a batch, as the application has it; of a whole number, its digits."""
    # Asked first: nearly all are text, and telling a protocol takes as long as all else that is done with a line.
    if not isinstance(custom_id, str | bool) and isinstance(custom_id, SupportsIndex):  # numpy's integers, too
        custom_id = str(index(custom_id))
    if not isinstance(custom_id, str) or len(_utf8(custom_id, name)) > MAX_KEY_BYTES:
        raise wrong(name, custom_id, f"text of at most {MAX_KEY_BYTES} bytes, or a whole number")
    return custom_id


def check_tenant(name: str, tenant: object) -> str:
    """A tenant's name; `:`, `|` and control characters separate names in the store."""
    if not isinstance(tenant, str) or len(_utf8(tenant, name)) > 128 or not _printable(tenant, ":|"):
        raise wrong(name, tenant, "text of at most 128 bytes without ':', '|' and control characters")
    return tenant


def check_model(name: str, model: object) -> str:
    """A model, as `provider:model` or an alias; whether the fleet knows it is seen later."""
    if not isinstance(model, str) or not model.strip():
        raise wrong(name, model, f"provider:model, such as {OPENAI.target}, or an alias")
    _utf8(model, name)
    return model


def check_fallbacks(name: str, fallbacks: object) -> tuple[str, ...]:
    """Models to go on with, in this order."""
    if isinstance(fallbacks, str) or not isinstance(fallbacks, Sequence):
        raise wrong(name, fallbacks, "a list of models")
    return tuple(check_model(f"{name}[{place}]", each) for place, each in enumerate(fallbacks))


def check_regions(name: str, regions: object) -> tuple[str, ...]:
    """Regions of accounts, as the settings name them."""
    if isinstance(regions, str) or not isinstance(regions, Sequence) or not regions or not all(regions):
        raise wrong(name, regions, 'a list of regions, such as ["eu"]')
    return tuple(map(str, regions))


def check_tags(name: str, tags: object) -> str:
    """Tags as a record keeps them: a line `key=value` each."""
    if not isinstance(tags, Mapping):
        raise wrong(name, tags, 'names and values, such as {"team": "a"}')
    if len(tags) > MAX_TAGS:
        raise InvalidRequest(f"{name} has {len(tags)} entries: expected at most {MAX_TAGS}")
    for tag, value in tags.items():
        if not isinstance(tag, str) or not tag or "=" in tag or not _printable(tag, "|"):
            raise wrong(name, tag, "names of text without '=', '|' and control characters")
        if not isinstance(value, str) or not _printable(value, "|"):
            raise wrong(f"{name}[{tag!r}]", value, "text without '|' and control characters")
    from homa_shared.model.records import encode_tags  # likewise

    return encode_tags(dict(tags))


def check_metadata(name: str, value: object) -> str:
    """What a job is to carry for its application, as JSON."""
    from homa_shared.calls.request import to_json  # likewise

    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise wrong(name, value, 'names and values, such as {"row": 7}')
    refuse_infinite(name, value)
    told = to_json(value, name)
    if len(told) > MAX_METADATA_BYTES:
        raise InvalidRequest(
            f"{name} has {len(told):,} bytes as JSON: expected at most {MAX_METADATA_BYTES:,}, such as a key of the "
            "application's own store"
        )
    return told.decode() if value else ""


def check_prompt_cache(name: str, value: object) -> bool | str:
    """What the provider's prompt cache is to keep."""
    if isinstance(value, bool) or (isinstance(value, str) and value):
        return value
    raise wrong(name, value, "True, False, or the text that the prompt begins with")


def check_moment(name: str, at: object) -> int:
    """ms since 1970 of a moment."""
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise wrong(name, at, "a datetime with a time zone")
    return int(at.timestamp() * 1000)


def refuse_infinite(name: str, value: object) -> None:
    """Refuses NaN and infinity, anywhere in a value: JSON has neither, and null would be sent in their place."""
    left = [(name, value)]
    while left:
        place, part = left.pop()
        if isinstance(part, float) and not isfinite(part):
            raise wrong(place, part, "a finite number, since JSON has no other")
        if isinstance(part, Mapping):
            left.extend((f"{place}.{inner}", each) for inner, each in part.items())
        elif isinstance(part, list | tuple):
            left.extend((f"{place}[{i}]", each) for i, each in enumerate(part))


def check_timeout(timeout_s: object) -> None:
    """Refuses what is neither a number of seconds nor None; by NaN a wait would never end."""
    number = isinstance(timeout_s, int | float) and not isinstance(timeout_s, bool)
    if timeout_s is not None and (not number or timeout_s != timeout_s):
        raise wrong("timeout", timeout_s, "seconds, or None to wait as long as it takes")


def wrong(name: str, value: object, expected: str) -> InvalidRequest:
    """The error for an option: its name, its value (shortened) and what was expected."""
    return InvalidRequest(f"{name} is {_shown(value)}: expected {expected}")


_WORDS: dict[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    Any: "a value",
}


def _is_of(static: Any, value: object) -> bool:
    """Whether a value is of a type made of None, plain types, unions, sequences and mappings."""
    origin = get_origin(static)
    if origin is Union or origin is UnionType:
        return any(_is_of(kind, value) for kind in get_args(static))
    if origin is Mapping:
        keys, values = get_args(static)
        return isinstance(value, Mapping) and all(_is_of(keys, k) and _is_of(values, v) for k, v in value.items())
    if origin is Sequence:
        (each,) = get_args(static)
        return isinstance(value, list | tuple) and all(_is_of(each, item) for item in value)
    if static in (int, float):
        return isinstance(value, int if static is int else int | float) and not isinstance(value, bool)
    return static is Any or isinstance(value, static)


def _in_words(static: Any) -> str:
    origin, inner = get_origin(static), get_args(static)
    if origin is Union or origin is UnionType:
        return " or ".join(_in_words(kind) for kind in inner if kind is not type(None))
    if origin is Mapping:
        return "names and values" if inner[1] is Any else f"names, each with {_in_words(inner[1])}"
    if origin is Sequence:
        return "a list of objects" if get_origin(inner[0]) is Mapping else f"a list, each of it {_in_words(inner[0])}"
    return _WORDS[static]


def _shown(value: object) -> str:
    try:
        said = repr(value)
    except Exception:  # too large or too deep a value, or one that raises itself
        return f"a {type(value).__name__} that cannot be shown"
    return said if len(said) <= 80 else said[:77] + "…"


def _printable(text: str, forbidden: str) -> bool:
    return not any(c in forbidden or ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in text)


def _utf8(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{name} {text!r:.80} is no valid Unicode: {error.reason}") from error
