"""Whether the installed SDK of a kind is one that this release was made for."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires, version

from homa_shared.kinds.profile import KindProfile

_DISTRIBUTION = "homa-queue"


def too_new(profile: KindProfile) -> str | None:
    """Says so where a kind's SDK is of a later major version than this release allows; None where it is not."""
    name = profile.sdk.replace(".", "-")
    below = first_unsupported(name) if profile.extra else None
    if below is None:
        return None
    try:
        installed = version(name)
    except PackageNotFoundError:
        return None
    major = re.match(r"\d+", installed)
    if major is None or int(major[0]) < below:
        return None
    return f"{name} {installed} is installed, and this release was made for {name} below {below}"


def remedy(profile: KindProfile) -> str:
    """What brings a version that this release was made for."""
    return f"pip install '{_DISTRIBUTION}[{profile.extra}]' brings one, or upgrade {_DISTRIBUTION}"


def first_unsupported(distribution: str) -> int | None:
    """The first major version of a package that this release's requirements leave out; None where they have no such."""
    try:
        lines = requires(_DISTRIBUTION) or []
    except PackageNotFoundError:
        return None
    wanted = re.compile(rf"{re.escape(distribution)}(?:\[[^]]*])?[^;]*<\s*(\d+)")
    return next((int(found[1]) for line in lines if (found := wanted.match(line))), None)
