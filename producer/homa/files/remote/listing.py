"""The objects that an address leads to: one, all below a prefix as files of a folder, or those that match a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from homa.files.remote.address import Address
from homa.files.remote.bucket import Bucket, Stat
from homa.files.remote.objects import BucketObject
from homa_shared.model.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Hidden:
    """An object, or all below a prefix, whose name begins with a dot."""

    address: Address


def begin_of(address: Address) -> Address:
    """The address itself; of a pattern, the prefix before its first wildcard."""
    if not address.has_wildcard:
        return address.at(address.path.rstrip("/")) if not address.is_web else address
    return address.at("/".join(_fixed(address.path)))


def found_at(address: Address) -> Iterator[BucketObject | Hidden]:
    """What an address of a bucket leads to, in the bucket's order; nothing where it leads nowhere."""
    bucket = Bucket(address)
    # Before patterns: an object may be called notes[1].txt.
    stat = bucket.stat(address.path) if not address.path.endswith("/") else None
    if stat is not None:
        yield BucketObject(bucket, stat)
    elif address.has_wildcard:
        begin, pattern = begin_of(address).path, _pattern(address.path)
        yield from (BucketObject(bucket, each) for each in _files(bucket, begin) if pattern.fullmatch(each.key))
    else:
        yield from _folder(bucket, address.path.rstrip("/"))


def check_bucket_input(given: str, address: Address) -> None:
    """Raises InvalidRequest for an address that leads to no object, PlaceUnavailable where nobody can tell."""
    if any(isinstance(each, BucketObject) for each in found_at(address)):
        return
    if address.has_wildcard:
        raise InvalidRequest(f"INPUT {given!r}: no object matches this pattern")
    raise InvalidRequest(f"INPUT {given!r}: no such object, and none below it")


def _folder(bucket: Bucket, prefix: str) -> Iterator[BucketObject | Hidden]:
    told: set[str] = set()
    for stat in _files(bucket, prefix):
        inner = stat.key[len(prefix) :].lstrip("/").split("/")
        dotted = next((number for number, name in enumerate(inner) if name.startswith(".")), None)
        if dotted is None:
            yield BucketObject(bucket, stat)
            continue
        hidden = "/".join([*([prefix] if prefix else []), *inner[: dotted + 1]])
        if hidden not in told:
            told.add(hidden)
            yield Hidden(bucket.address.at(hidden))


def _files(bucket: Bucket, prefix: str) -> Iterator[Stat]:
    """Objects below a prefix, without the empty ones by which consoles make folders."""
    last: Stat | None = None
    for stat in bucket.below(prefix):
        if last is not None and not (last.size == 0 and stat.key.startswith(f"{last.key}/")):
            yield last
        last = stat
    if last is not None:
        yield last


def _fixed(path: str) -> list[str]:
    fixed: list[str] = []
    for part in path.split("/"):
        if re.search(r"[*?\[]", part):
            break
        fixed.append(part)
    return fixed


@lru_cache(maxsize=64)
def _pattern(path: str) -> re.Pattern[str]:
    """A pattern as shells have it: `*` is a name or a part of one, `**` any folders, neither of them hidden."""
    parts = path.split("/")
    made = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            made.append(r"(?:[^/.][^/]*/)*" + (r"[^/.][^/]*" if last else ""))
            continue
        dot = "" if part.startswith(".") else r"(?!\.)"
        made.append(dot + _name(part) + ("" if last else "/"))
    return re.compile("".join(made))


def _name(part: str) -> str:
    """One name of a pattern; a bracket that nothing closes stands for itself."""
    made, place = "", 0
    while place < len(part):
        each, closing = part[place], part.find("]", place + 2)
        if each == "[" and closing > 0:
            inner = part[place + 1 : closing].replace("\\", "\\\\").replace("[", "\\[")
            made += f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
            place = closing
        else:
            made += {"*": "[^/]*", "?": "[^/]"}.get(each) or re.escape(each)
        place += 1
    return made
