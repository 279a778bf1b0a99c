"""Whether conversations add up: a turn waits for a live job that is to answer it, and every other one has ended."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping
from typing import Any

from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, number, read, text

#: Conversations read in one operation.
_PAGE = 20
#: Field of a turn -> what it must have beside it.
_ENDS = {"a": ".a", "f": ".e"}


def turns_amiss(
    keys: Keys, answering: Mapping[str, str], live: Collection[str]
) -> Generator[Op[Any], Any, list[tuple[str, str]]]:
    """What does not add up: (conversation, what).

    Args:
        answering: live job -> `conversation:turn` that it answers.
        live: every live job.
    """
    ids: list[str] = yield read((("ZRANGE", keys.conversations(), 0, -1),), lambda r: [text(name) for name in r[0]])
    found: list[tuple[str, str]] = []
    pending: dict[str, str] = {}
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        commands = [("HGETALL", key) for name in page for key in (keys.conversation(name), keys.turns(name))]
        rows: list[dict[str, str]] = yield read(commands, lambda replies: [_lossless(reply) for reply in replies])
        for i, name in enumerate(page):
            found += [(name, what) for what in _of_one(name, rows[2 * i], rows[2 * i + 1], live, pending)]
    known = set(ids)
    for job, turn in answering.items():
        name, _, place = turn.rpartition(":")
        if name in known and not place.startswith("s") and pending.get(turn) != job:
            found.append((name, f"job {job} is to answer turn {place}, which does not wait for it"))
    return found


def _of_one(
    name: str, facts: Mapping[str, str], turns: Mapping[str, str], live: Collection[str], pending: dict[str, str]
) -> list[str]:
    """What is wrong with one conversation; notes the turn that waits, `conversation:turn` -> job."""
    if not facts:
        return []
    found = []
    count = number(facts.get("n"))
    told = {int(field): value for field, value in turns.items() if field.isdigit()}
    if sorted(told) != list(range(1, count + 1)):
        found.append(f"has {count} turns by its count, but {sorted(told)} stand there")
    for place, row in sorted(told.items()):
        state, job = (*row.split(" "), "")[:2]
        if state == "p" and job:
            pending[f"{name}:{place}"] = job
            if job not in live:
                found.append(f"turn {place} waits for job {job}, which does not live")
            if place != count or facts.get("pending") != str(place):
                found.append(f"turn {place} waits, but the one that waits is {facts.get('pending') or 'none'}")
        elif not job or state not in _ENDS:
            found.append(f"turn {place} is {row!r}, which is not how a turn stands")
        elif f"{place}{_ENDS[state]}" not in turns:
            found.append(f"turn {place} has ended as {state!r}, but what it ended with is missing")
    if facts.get("pending") and not told.get(number(facts["pending"]), "").startswith("p "):
        found.append(f"turn {facts['pending']} is to wait, but has ended")
    return [*found, *_size_amiss(facts, turns)]


def _lossless(reply: Any) -> dict[str, str]:
    """A hash reply as text that can be turned back into its bytes: sealed replies are none."""
    flat = [part for pair in reply.items() for part in pair] if isinstance(reply, dict) else list(reply)
    words = [part.decode(errors="surrogateescape") for part in flat]
    return dict(zip(words[::2], words[1::2], strict=True))


def _size_amiss(facts: Mapping[str, str], turns: Mapping[str, str]) -> list[str]:
    kept = (value for field, value in turns.items() if field.endswith((".u", ".a", ".e")))
    size = sum(len(value.encode(errors="surrogateescape")) for value in kept)
    if size == number(facts.get("bytes")):
        return []
    return [f"holds {size} bytes, and {facts.get('bytes', 0)} by its count"]
