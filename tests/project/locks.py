"""The locks under requirements/, and what the distributions that they name ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PYTHONS = ("3.11", "3.12", "3.13", "3.14")

_LINE = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[([\w,.-]+)\])?==(\S+?)(?: ; (.+?))?(?: \\)?$", flags=re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Line:
    """`name[extras]==version ; marker` of a lock."""

    name: str
    extras: frozenset[str]
    version: str
    requirement: Requirement

    def holds_on(self, environment: dict[str, str]) -> bool:
        marker = self.requirement.marker
        return marker is None or marker.evaluate(environment)


def lines(lock: Path) -> list[Line]:
    """Every pinned line of a lock."""
    found = []
    for name, extras, version, marker in _LINE.findall(lock.read_text()):
        requirement = Requirement(f"{name}=={version}" + (f" ; {marker}" if marker else ""))
        found.append(Line(canonicalize_name(name), frozenset(filter(None, extras.split(","))), version, requirement))
    return found


@cache
def installed() -> dict[str, Distribution]:
    """What is installed beside the tests, by canonical name."""
    return {canonicalize_name(found.name): found for found in distributions()}


def environment(python: str | None = None) -> dict[str, str]:
    """This machine's markers, as another Python (`3.13`) would tell them; its own without one."""
    own = {name: str(value) for name, value in default_environment().items()}
    if python is None or python == own["python_version"]:
        return own
    told = {"python_version": python, "python_full_version": f"{python}.4", "implementation_version": f"{python}.4"}
    return own | told


def asked_for(dist: Distribution, extras: frozenset[str], where: dict[str, str]) -> Iterator[Requirement]:
    """What a distribution needs with these extras, in an environment."""
    for text in dist.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or any(
            requirement.marker.evaluate({**where, "extra": extra}) for extra in ("", *extras)
        ):
            yield requirement
