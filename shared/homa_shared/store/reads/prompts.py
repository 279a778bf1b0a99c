"""Looks at prompt templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from homa_shared.calls.prompt_templates import Template, TemplateRef
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, number, read, text
from homa_shared.store.reads.written_tokens import Written
from homa_shared.store.sealing import Kind, opened

#: Fields of a template's hash that are no version.
_BESIDE = frozenset({"current", "digest", "last", "stands"})


def prompt(keys: Keys, ref: TemplateRef) -> Op[Template | None]:
    """A version of a template, the current one where none is named; None where there is no such one."""
    key = keys.prompt(ref.name)
    if ref.version is not None:
        wanted = ref.version
        return read((("HGET", key, wanted),), lambda replies: _stored(keys, ref.name, wanted, replies[0]))
    return read((("HMGET", key, "current", "stands"),), lambda replies: _current(keys, ref.name, *replies[0]))


def prompt_versions(keys: Keys, name: str) -> Op[list[Template]]:
    """All versions of a template, the oldest first."""
    return read((("HGETALL", keys.prompt(name)),), lambda replies: _versions(keys, name, _texts(replies[0])))


def prompt_names(keys: Keys) -> Op[list[str]]:
    """Names of all templates."""
    return read((("SMEMBERS", keys.prompts()),), lambda replies: sorted(map(text, replies[0])))


def prompt_answers(keys: Keys, ref: str, targets: Sequence[str]) -> Op[Mapping[str, int | None]]:
    """Tokens that one answer of each target has to a version of a template; None while too little is known.

    Args:
        ref: `name@version`.
    """
    fields = [f"{target}|{measure}" for target in targets for measure in ("tokens", "answers")]

    def parse(replies: list[Any]) -> Mapping[str, int | None]:
        found = [number(value) for value in replies[0]]
        return {target: Written(*found[2 * i : 2 * i + 2]).mean for i, target in enumerate(targets)}

    return read((("HMGET", keys.prompt_answers(ref), *fields),), parse)


def _template(keys: Keys, name: str, version: int, row: bytes) -> Template:
    created, blank, said = row.partition(b" ")
    return Template.stored(name, version, created + blank + opened(keys, Kind.TEMPLATE, said, name))


def _stored(keys: Keys, name: str, version: int, row: bytes | None) -> Template | None:
    return None if row is None else _template(keys, name, version, row)


def _current(keys: Keys, name: str, version: bytes | None, row: bytes | None) -> Template | None:
    return _stored(keys, name, number(version), row)


def _versions(keys: Keys, name: str, found: Mapping[str, bytes]) -> list[Template]:
    numbers = sorted(int(field) for field in found if field not in _BESIDE)
    return [_template(keys, name, each, found[str(each)]) for each in numbers]


def _texts(reply: Any) -> dict[str, bytes]:
    """A hash reply by its fields' names, whichever protocol brought it."""
    if isinstance(reply, dict):
        return {text(name): value for name, value in reply.items()}
    return {text(reply[i]): reply[i + 1] for i in range(0, len(reply), 2)}
