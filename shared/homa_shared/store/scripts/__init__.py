"""Lua scripts of the store: one file a transition, fragments that several share in `lib/`.

A script's text is put together once: its flags, the keys, constants and lists of fields that it names (`prelude.py`),
the fragments that its `--! use a, b` line asks for (in that order, theirs first; without functions that nothing calls),
its own body.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from homa_shared.store.scripts.prelude import with_prelude
from homa_shared.store.scripts.pruning import without_unused
from homa_shared.store.scripts.scoping import in_blocks

_USE = re.compile(r"^--! use (.+)$", re.MULTILINE)
_FLAGS = re.compile(r"^--! flags (.+)$", re.MULTILINE)
#: How many tests of this process move their clocks.
_moved_clocks = 0


@dataclass(frozen=True, slots=True)
class Script:
    """A script ready to be sent: its name, whole text, and the digest by which the store knows it."""

    name: str
    text: str
    sha: str


def script(name: str) -> Script:
    """The script in `<name>.lua`, put together."""
    return _put_together(name, _moved_clocks > 0)


@cache
def _put_together(name: str, by_moved_clock: bool) -> Script:
    body = _read(f"{name}.lua")
    instead = {"time": "moved_time"} if by_moved_clock else {}
    parts: list[str] = []
    _collect(body, parts, set(), instead)
    own = _without_comments(body)
    code = in_blocks(without_unused(parts, own), own)
    flags = _FLAGS.search(body)
    shebang = f"#!lua flags={flags.group(1)}\n" if flags else "#!lua\n"
    text = shebang + with_prelude(code)
    return Script(name, text, hashlib.sha1(text.encode()).hexdigest())


@contextmanager
def moved_clock() -> Iterator[None]:
    """Scripts of this process go by a clock that tests can move, by the key `moved_by` of their namespace.

    Where that key does not exist it is the store's own.
    """
    global _moved_clocks
    _moved_clocks += 1
    try:
        yield
    finally:
        _moved_clocks -= 1


def clock_may_be_moved() -> bool:
    """Whether this process goes by a clock that tests can move."""
    return _moved_clocks > 0


def source(name: str) -> str:
    """The text of `<name>.lua` as people wrote it, header and all."""
    return _read(f"{name}.lua")


def names() -> list[str]:
    """Every script by name."""
    folder = files(__name__)
    return sorted(entry.name[:-4] for entry in folder.iterdir() if entry.name.endswith(".lua"))


def _collect(text: str, parts: list[str], seen: set[str], instead: Mapping[str, str]) -> None:
    for line in _USE.findall(text):
        for name in (item.strip() for item in line.split(",")):
            if name not in seen:
                seen.add(name)
                fragment = _fragment(instead.get(name, name))
                _collect(fragment.text, parts, seen, instead)
                parts.append(fragment.code)


class _Fragment(NamedTuple):
    """A file of `lib/`."""

    text: str
    #: The same without comments.
    code: str


@cache
def _fragment(name: str) -> _Fragment:
    text = _read(f"lib/{name}.lua")
    return _Fragment(text, _without_comments(text))


def _read(path: str) -> str:
    return files(__name__).joinpath(path).read_text(encoding="utf-8")


def _without_comments(code: str) -> str:
    """Comment lines stay in the repository; the store needs none of them."""
    return "\n".join(line for line in code.splitlines() if line.strip() and not line.lstrip().startswith("--")) + "\n"
