"""What a script is told before its first line: the keys, constants and lists of fields that it names.

`K.job(id)` spells a key (store/keys.py), `C.SLACK_MS` is a constant (model/constants.py, model/limits.py) and
`FIELDS.taken` a list of a record's fields (model/record_fields.py). A script gets what it names and no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass

from homa_shared.model import constants, limits
from homa_shared.model.record_fields import Place, RecordField, fields_at, number_fields
from homa_shared.store.keys import lua_key

_KEY = re.compile(r"\bK\.(\w+)\(")
_TEXT = re.compile(r"'[^']*'|\"[^\"]*\"")
_CONSTANT = re.compile(r"\bC\.([A-Z_]+)\b")
_LIST = re.compile(r"\bFIELDS\.(\w+)\b")

#: What scripts may name as `FIELDS.<list>`, by place.
_PLACES = {"common": Place.COMMON, "taken": Place.TAKEN, "retried": Place.RETRIED} | {
    "running": Place.RUNNING,
    "waiting": Place.WAITING,
}


def with_prelude(code: str) -> str:
    """Code behind what it names.

    A script is set up anew at each call. So a number, a text or a key is written in its place, where it costs nothing
    until it is needed; tables are made for the rest.
    """
    placed = _with_keys(_CONSTANT.sub(_constant_in_place, code))
    return "local P = KEYS[1]\n" + _tables(placed) + _lists(placed) + placed


def _constant_in_place(found: re.Match[str]) -> str:
    value = _constant(found[1])
    return lua(value) if isinstance(value, int | str) else found[0]


def _with_keys(code: str) -> str:
    """Code whose keys are spelled: those in the parameters of others, too."""
    done = []
    while (found := _KEY.search(code)) is not None:
        values, rest = _parameters(code[found.end() :])
        done += [code[: found.start()], lua_key(found[1], [_with_keys(value) for value in values])]
        code = rest
    return "".join(done) + code


def _parameters(code: str) -> tuple[list[str], str]:
    """The parameters of a call whose opening bracket stands before this code, and the code behind its closing one."""
    values, depth, start, at = [], 0, 0, 0
    while True:
        if (quoted := _TEXT.match(code, at)) is not None:
            at = quoted.end()
            continue
        letter = code[at]
        if depth == 0 and letter in ",)":
            values.append(code[start:at].strip())
            if letter == ")":
                return [value for value in values if value], code[at + 1 :]
            start = at + 1
        depth += (letter in "([{") - (letter in ")]}")
        at += 1


def _tables(code: str) -> str:
    names = sorted(set(_CONSTANT.findall(code)))
    return f"local C = {lua({name: _constant(name) for name in names})}\n" if names else ""


def _constant(name: str) -> object:
    for module in (constants, limits):
        if hasattr(module, name):
            return getattr(module, name)
    raise KeyError(f"C.{name} is not among the constants of homa_shared.model: constants.py, limits.py")


def _lists(code: str) -> str:
    names = sorted(set(_LIST.findall(code)))
    return f"local FIELDS = {lua({name: _list(name) for name in names})}\n" if names else ""


def _list(name: str) -> object:
    if name == "numbers":
        return number_fields()
    if name == "entry":
        return [[field.short, _absent(field)] for field in fields_at(Place.ENTRY)]
    return [field.short for field in fields_at(_PLACES[name])]


def _absent(field: RecordField) -> str:
    return "" if field.absent is None else str(field.absent)


def lua(value: object) -> str:
    """A value as Lua source: a set becomes a table of `true` by member; of a mapping, None and False are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        told = (field for field in fields(value) if field.metadata.get("scripts", True))
        return lua({field.name: getattr(value, field.name) for field in told})
    if isinstance(value, Mapping):
        return _table(
            f"[{lua(key)}] = {lua(item)}" for key, item in value.items() if item is not None and item is not False
        )
    if isinstance(value, frozenset):
        return lua(dict.fromkeys(sorted(value), True))
    if isinstance(value, tuple | list):
        return _table(map(lua, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def _table(items: Iterable[str]) -> str:
    return "{" + ", ".join(items) + "}"
