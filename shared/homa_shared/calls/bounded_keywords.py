"""Keywords of JSON Schema that take time in proportion to the answer, whatever schema and answer say.

Patterns are matched by the engine that pydantic brings, Rust's `regex`, whose time is linear in the text; Python's `re`
takes exponential time for `^(a+)+$`, and holds everything else meanwhile. It knows no look-around and no references
back: schemas with those are checked in a process of their own (schema_process.py), where `re` can be stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, wraps
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from pydantic_core import SchemaError as PatternError
from pydantic_core import SchemaValidator, core_schema

#: Most keywords that are looked at for one answer; a few microseconds each.
MOST_STEPS = 20_000

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


class TooManySteps(Exception):
    """Checking an answer takes longer than may be spent in this process."""


class _Steps(threading.local):
    left = 0


_steps = _Steps()


def begin() -> None:
    """A new answer is checked by this thread: its steps are counted from here."""
    _steps.left = MOST_STEPS


def is_linear(pattern: str) -> bool:
    """Whether a pattern can be matched in linear time."""
    return _matcher(pattern) is not None


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> SchemaValidator | None:
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern))
    except PatternError:
        return None


def _matches(pattern: str, text: str) -> bool:
    matcher = _matcher(pattern)
    if matcher is None:
        raise TooManySteps
    return matcher.isinstance_python(text)


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not _matches(pattern, instance):
        yield ValidationError(f"{instance!r:.60} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, inner in patterns.items():
        for name, value in instance.items():
            if _matches(pattern, name):
                yield from validator.descend(value, inner, path=name, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    patterns = schema.get("patternProperties")
    if not patterns:
        yield from _plain("additionalProperties")(validator, allowed, instance, schema) or ()
    elif validator.is_type(instance, "object"):
        named = schema.get("properties", {})
        for name, value in instance.items():
            if name not in named and not any(_matches(pattern, name) for pattern in patterns):
                if allowed is False:
                    yield ValidationError(f"{name!r:.60} matches none of the patterns: {', '.join(patterns):.60}")
                else:
                    yield from validator.descend(value, allowed, path=name)


def _unique_items(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if wanted and validator.is_type(instance, "array"):
        items = {orjson.dumps(_canonical(item), option=orjson.OPT_SORT_KEYS) for item in instance}
        if len(items) < len(instance):
            yield ValidationError("some of its items are equal")


def _canonical(value: Any) -> Any:
    """A value whose equal ones are written alike: 1.0 is 1 in JSON Schema."""
    match value:
        case float() if value.is_integer() and abs(value) < 2**63:
            return int(value)
        case list():
            return [_canonical(inner) for inner in value]
        case dict():
            return {name: _canonical(inner) for name, inner in value.items()}
    return value


def _plain(word: str) -> Keyword:
    found: Keyword = Draft202012Validator.VALIDATORS[word]
    return found


def _counted(keyword: Keyword) -> Keyword:
    @wraps(keyword)
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError] | None:
        _steps.left -= 1
        if _steps.left < 0:
            raise TooManySteps
        return keyword(validator, value, instance, schema)

    return counted


_OWN: Mapping[str, Keyword] = {
    "additionalProperties": _additional_properties,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "uniqueItems": _unique_items,
}

_extended: Any = extend  # it has no types
#: A validator of draft 2020-12 that raises TooManySteps where it would take long.
BoundedValidator: type[Draft202012Validator] = _extended(
    Draft202012Validator,
    {word: _counted(_OWN.get(word) or _plain(word)) for word in Draft202012Validator.VALIDATORS},
)
