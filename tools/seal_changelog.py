"""Date the changelog's Unreleased section with the version being released.

The changelog is written by hand, for users, while a change is made; this is the one step of a release that touches it.
The version comes from `NEW_VERSION`, which python-semantic-release sets for its build command.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"
UNRELEASED = "## Unreleased\n"


def seal(text: str, version: str, date: str) -> str:
    """The changelog with what was unreleased under `version`, and an empty Unreleased section above it.

    Raises ValueError where the text has not exactly one Unreleased section, or already has this version.
    """
    if text.count(UNRELEASED) != 1:
        raise ValueError(f"CHANGELOG.md has {text.count(UNRELEASED)} lines '{UNRELEASED.strip()}', expected one")
    if f"## {version} " in text:
        raise ValueError(f"CHANGELOG.md already has a section {version}; the version must be new")
    return text.replace(UNRELEASED, f"{UNRELEASED}\n## {version} - {date}\n")


def main() -> int:
    version = os.environ.get("NEW_VERSION", "")
    if not version:
        print("NEW_VERSION is not set; expected the version to release, e.g. NEW_VERSION=0.2.0", file=sys.stderr)
        return 2
    CHANGELOG.write_text(seal(CHANGELOG.read_text(), version, datetime.now(UTC).date().isoformat()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
