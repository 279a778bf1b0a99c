"""What `homa doctor` says of encryption at rest: whether it is on, and whether all have the keys that others use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from homa.cli.doctor.check import Check
from homa_shared.store import reads
from homa_shared.store.errors import NO_KEYS
from homa_shared.store.safety_checks import Level
from homa_shared.store.transitions.fleet import read_fleet

if TYPE_CHECKING:
    from homa_shared.store.client import Store

_NAME = "encryption"


def encryption(store: Store) -> Iterator[Check]:
    """This process's keys, those of the live workers by their check values, and whether the fleet requires any."""
    fleet = store.run(read_fleet(store.keys))
    required = fleet is not None and fleet.encryption_required
    cipher = store.keys.cipher
    own: Sequence[str] = () if cipher is None else cipher.keyring.checks
    yield _here(own, required=required)
    for row in store.run(reads.workers(store.keys)):
        if row.live:
            yield from _compared(row.id, own, row.facts.get("encryption") or (), required=required)


def _here(own: Sequence[str], *, required: bool) -> Check:
    if not own:
        if required:
            return Check(Level.ERROR, _NAME, "required by the fleet, and no keys are here", NO_KEYS)
        return Check(Level.OK, _NAME, "off: what the store keeps can be read by whoever reads the store")
    said = f"sealed by {_id(own[0])}"
    if len(own) > 1:
        said += f"; opened by {', '.join(map(_id, own[1:]))}, too"
    if required:
        return Check(Level.OK, _NAME, said)
    what = "set encryption_required = true and run `homa apply`, once all processes have the keys"
    return Check(Level.WARNING, _NAME, f"{said}; a process without keys still writes in clear", what)


def _compared(worker: str, own: Sequence[str], theirs: Sequence[str], *, required: bool) -> Iterator[Check]:
    name = f"{_NAME}: {worker}"
    if not theirs:
        if own or required:
            yield Check(Level.ERROR, name, "has no keys, and cannot do what others seal", NO_KEYS)
        return
    if not own:
        if not required:
            yield Check(Level.ERROR, name, f"seals by {_id(theirs[0])}, and no keys are here", NO_KEYS)
        return
    known = dict(map(_parts, own))
    for key, check in map(_parts, theirs):
        if known.get(key, check) != check:
            yield Check(Level.ERROR, name, f"has another key {key} than this machine", "give each key an id of its own")
    for whose, first, others in (("it lacks", own[0], theirs), ("this machine lacks", theirs[0], own)):
        if _id(first) not in map(_id, others):
            what = "add it behind the others, everywhere, before it is put in front anywhere"
            yield Check(Level.ERROR, name, f"{whose} the key {_id(first)}, by which the other seals", what)


def _parts(told: str) -> tuple[str, str]:
    key, _, check = told.rpartition(":")
    return key, check


def _id(told: str) -> str:
    return _parts(told)[0]
