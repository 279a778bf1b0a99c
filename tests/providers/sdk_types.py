"""Requests against the parameter types of a provider's own SDK, which nobody here wrote.

The SDKs check nothing of a TypedDict at run time, and pydantic reads their iterables lazily: the types are walked here.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, ForwardRef, Literal, NotRequired, Required, Union, get_args, get_origin

from typing_extensions import get_type_hints, is_typeddict

_WRAPPERS = (Required, NotRequired)


def faults(kind: Any, value: object, place: str = "body") -> list[str]:
    """What of a JSON value is not of a type: unknown names, missing ones, and values that it does not have.

    Args:
        kind: a TypedDict, or anything that stands in the annotations of one.
        place: of the value, for the messages.
    """
    kind, _ = _bare(kind)
    if kind is Any or kind is object:
        return []
    if is_typeddict(kind):
        return list(_of_object(kind, value, place))
    match get_origin(kind):
        case origin if origin in (Union, types.UnionType):
            return _of_union(get_args(kind), value, place)
        case origin if origin is Literal:
            return [] if value in get_args(kind) else [f"{place}: {value!r:.60} is none of {get_args(kind)}"]
        case type() as origin if issubclass(origin, Mapping):
            return _of_mapping(get_args(kind), value, place)
        case type() as origin if issubclass(origin, Iterable):
            return _of_list(get_args(kind), value, place)
    return [] if _is(kind, value) else [f"{place}: {value!r:.60} is not of {kind!r}"]


def _bare(kind: Any) -> tuple[Any, str]:
    """A type without what is written around it, and the name that it has on the wire; empty: its own."""
    alias = ""
    while True:
        if get_origin(kind) is Annotated:
            kind, *notes = get_args(kind)
            alias = next((str(note.alias) for note in notes if getattr(note, "alias", None)), alias)
        elif get_origin(kind) in _WRAPPERS:
            (kind,) = get_args(kind)
        else:
            return kind, alias


@lru_cache(maxsize=4096)
def _fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    """Names on the wire -> type, and whether it must be there."""
    hints = get_type_hints(kind, include_extras=True)
    required = getattr(kind, "__required_keys__", frozenset())
    return {_bare(hint)[1] or name: (hint, _must_be(hint, name in required)) for name, hint in hints.items()}


def _must_be(hint: Any, by_class: bool) -> bool:
    """Whether a name must be there. Classes whose annotations are strings do not know it of their own."""
    if get_origin(hint) is Annotated:
        return _must_be(get_args(hint)[0], by_class)
    return get_origin(hint) is Required or (by_class and get_origin(hint) is not NotRequired)


def _of_object(kind: Any, value: object, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place}: {value!r:.60} is no {kind.__name__}"
        return
    fields = _fields(kind)
    for name in value.keys() - fields.keys():
        yield f"{place}.{name}: unknown to {kind.__name__}"
    for name, (hint, must) in fields.items():
        if name in value:
            yield from faults(hint, value[name], f"{place}.{name}")
        elif must:
            yield f"{place}.{name}: missing in {kind.__name__}"


def _of_union(kinds: tuple[Any, ...], value: object, place: str) -> list[str]:
    """The faults of the member that fits best."""
    judged = (
        ((bool(found), _is_another(kind, value), _at(found, place), len(found)), found)
        for kind, found in ((kind, faults(kind, value, place)) for kind in kinds)
    )
    return min(judged, key=lambda one: one[0])[1]


def _at(found: list[str], place: str) -> bool:
    """Whether a value is of another sort altogether, not only wrong in a part of it."""
    return bool(found) and found[0].startswith(f"{place}: ")


def _is_another(kind: Any, value: object) -> bool:
    """Whether a word that tells members of a union apart is not the value's."""
    kind, _ = _bare(kind)
    if not is_typeddict(kind) or not isinstance(value, dict):
        return False
    words = ((name, _bare(hint)[0]) for name, (hint, _) in _fields(kind).items() if name in ("type", "role"))
    return any(get_origin(hint) is Literal and value.get(name) not in get_args(hint) for name, hint in words)


def _of_mapping(kinds: tuple[Any, ...], value: object, place: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{place}: {value!r:.60} is no object"]
    kind = kinds[1] if kinds else Any
    return [fault for name, item in value.items() for fault in faults(kind, item, f"{place}.{name}")]


def _of_list(kinds: tuple[Any, ...], value: object, place: str) -> list[str]:
    if not isinstance(value, list):
        return [f"{place}: {value!r:.60} is no list"]
    kind = kinds[0] if kinds else Any
    return [fault for number, item in enumerate(value) for fault in faults(kind, item, f"{place}[{number}]")]


def _is(kind: Any, value: object) -> bool:
    if isinstance(kind, ForwardRef | str):
        raise TypeError(f"{kind!r} was not resolved")
    if kind is None or kind is type(None):
        return value is None
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind) if kind in (str, bool) else isinstance(value, str)
