"""Prompt templates in the store: put as the next version, deleted; and what workers learn of their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from homa_shared.calls.prompt_templates import Template
from homa_shared.model.constants import FULL_PERCENT
from homa_shared.store.audit_trail import audited
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call
from homa_shared.store.reads.written_tokens import Written
from homa_shared.store.sealing import Kind, keyed, keyed_list, sealed


class Put(NamedTuple):
    """What became of a template."""

    version: int
    #: False: the current version said the same.
    is_new: bool


def put_prompt(keys: Keys, template: Template) -> Op[Put]:
    """Stores a template, as the next version unless the current one says the same.

    Raises:
        StoreFull: there is no room for it.
    """
    said = sealed(keys, Kind.TEMPLATE, template.to_json(), template.name)
    args = (template.name, keyed_list(keys, template.digest), said, FULL_PERCENT)
    putting = call(keys, "put_prompt", args, lambda reply: Put(int(reply[0]), bool(reply[1])))
    return audited(putting, "template.put", template.name, digest=keyed(keys, template.digest))


def delete_prompt(keys: Keys, name: str, version: int | None) -> Op[int]:
    """Deletes a version, or all of a template; returns how many."""
    deleting = call(keys, "delete_prompt", (name, "" if version is None else version), int)
    return audited(deleting, "template.deleted", name, version=version)


def add_prompt_answers(keys: Keys, ref: str, by_target: Mapping[str, Written]) -> Op[None]:
    """Adds what a worker saw of the answers to one version of a template.

    Args:
        ref: `name@version`.
    """
    key = keys.prompt_answers(ref)
    commands = [
        ("HINCRBY", key, f"{target}|{measure}", value)
        for target, seen in by_target.items()
        for measure, value in (("tokens", seen.tokens), ("answers", seen.answers))
    ]
    return Op(commands, lambda _: None)
