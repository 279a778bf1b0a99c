"""Every regular expression of the packages takes time in proportion to its text: one that does not can stop a worker.

Each is searched for in texts made of what it is made of, over and over. A text is doubled, and the time may at most
treble; what takes no time at all is let through, so that a busy machine decides nothing.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest

import homa
import homa_shared
import homa_workers
from homa_shared.kinds.registry import builtin_kinds, profile_of

CHARS = 5_000
#: What a search may take of the processor whatever its growth, s.
NOTHING_S = 0.1
#: Patterns of files that belong to the project, and of the simulator's orders, which no stranger writes.
OUR_OWN = ("homa_shared.store.scripts", "homa_workers.simulator")


def modules() -> Iterator[ModuleType]:
    for package in (homa, homa_shared, homa_workers):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if info.name.endswith("__main__"):
                continue
            try:
                yield importlib.import_module(info.name)
            except ImportError as error:
                # An adapter's, whose extra is not installed; its own packages are all there.
                if (error.name or "").startswith("homa"):
                    raise


def patterns_in(value: Any, depth: int = 0) -> Iterator[re.Pattern[Any]]:
    """Patterns in a value: itself, or within collections, records and classes of the packages."""
    if isinstance(value, re.Pattern):
        yield value
    elif depth < 4:
        for inner in within(value):
            yield from patterns_in(inner, depth + 1)


def within(value: Any) -> Iterable[Any]:
    match value:
        case tuple() | list() | frozenset() | set():
            return value
        case Mapping():
            return value.values()
        case type() if value.__module__.startswith("homa"):
            return vars(value).values()
    is_record = is_dataclass(value) and not isinstance(value, type)
    return [getattr(value, field.name, None) for field in fields(value)] if is_record else []


def all_patterns() -> dict[str, re.Pattern[Any]]:
    found: dict[str, re.Pattern[Any]] = {}
    for module in modules():
        if module.__name__.startswith(OUR_OWN):
            continue
        for name, value in vars(module).items():
            for pattern in patterns_in(value):
                found.setdefault(str(pattern.pattern), pattern)
            # Patterns that are kept as text and searched for by it.
            if isinstance(value, str) and name.isupper() and re.search(r"\(\?:|\\b|\\d", value):
                found.setdefault(value, re.compile(value, re.IGNORECASE))
    for kind in builtin_kinds():
        for family in profile_of(kind).families:
            found.setdefault(family.pattern, re.compile(family.pattern))
    return found


PATTERNS = all_patterns()


def hostile(pattern: re.Pattern[Any]) -> Iterator[str]:
    """Beginnings of texts that are repeated: blanks, letters, digits, and the pattern's own words."""
    written = pattern.pattern.decode() if isinstance(pattern.pattern, bytes) else str(pattern.pattern)
    plain = re.sub(r"\\(.)", r"\1", written)
    words = [word for word in re.split(r"[()|*+?^$]|\{\d+,?\d*\}", plain) if word]
    yield from ("\n", " ", "\r\n", "a", "1", "a ", "1.", "-", "```\n", "{{", "{{ ", "(a", "[[", "://", "=", "\t{", '"')
    yield from {word[:40] for word in words}
    yield from {f"{word[:20]} " for word in words}
    yield from {f"{first[:20]}{second[:20]}" for first, second in pairwise(words)}


def seconds(pattern: re.Pattern[Any], text: str) -> float:
    given = text.encode() if isinstance(pattern.pattern, bytes) else text
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        for _ in pattern.finditer(given):
            pass
        pattern.fullmatch(given)
        best = min(best, time.process_time() - begun)
        if best < NOTHING_S:
            break
    return best


def test_the_patterns_are_found() -> None:
    assert len(PATTERNS) > 60
    assert any("```" not in written and "temperature" in written for written in PATTERNS), "those of errors are in"


@pytest.mark.parametrize("written", sorted(PATTERNS), ids=lambda written: written[:40])
def test_a_pattern_takes_time_in_proportion_to_its_text(written: str) -> None:
    pattern = PATTERNS[written]
    for piece in hostile(pattern):
        for end in ("", "!\n"):
            once, twice = (piece * (n // len(piece)) + end for n in (CHARS, 2 * CHARS))
            took = seconds(pattern, twice)
            assert took < NOTHING_S or took < 3 * seconds(pattern, once), f"{piece!r} over and over"


@pytest.mark.parametrize("written", [r"\A\s*```(.*?)\n?\s*```\s*\Z", r"^(\w+)(?: \([^)]*\))?:\s*(.*)$x"])
def test_one_that_does_not_is_found_out(written: str) -> None:
    pattern = re.compile(written, re.DOTALL | re.MULTILINE)
    slow = [piece for piece in ("```\n", "a:\n") if seconds(pattern, piece * 1600) > 3 * seconds(pattern, piece * 400)]
    assert slow
