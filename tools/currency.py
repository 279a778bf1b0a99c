"""What to re-read of what this tree knows of providers, the most urgent first: `make currency`.

It looks at three things: newer versions of the SDKs and of the price list on the package index (asked through pip, by
pip's own configuration), the days since tables of facts about models were compared with their documents, and models in
those tables that end soon. CONTRIBUTING.md says how a table is brought up to date.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from homa_shared.kinds import model_families
from homa_shared.kinds.parameter_rules import ANY
from homa_shared.kinds.profile import KindProfile
from homa_shared.kinds.registry import builtin_kinds, profile_of
from homa_shared.kinds.retirement import Retirement, today
from homa_shared.model.example_models import EXAMPLES
from homa_shared.pricing.price_book import OVERHEAD_CHECKED
from homa_shared.pricing.price_list import models_of

ROOT = Path(__file__).resolve().parents[1]
#: A table that was not compared for so many days is due.
DUE_DAYS = 30
#: Models that end within so many days are told.
SOON_DAYS = 90
_PINNED = re.compile(r"^([a-z0-9-]+)(?:\[[^]]*])?==(\d[^\s;\\]*)", re.MULTILINE)
_PIP = ("-m", "pip", "index", "versions", "--disable-pip-version-check", "--retries", "0", "--timeout", "10")

#: The newest version of a package; None where the index cannot be asked.
Newest = Callable[[str], str | None]


class Item(NamedTuple):
    """Something to look at."""

    #: Days until it matters; zero or less: it does already.
    urgency: int
    what: str
    state: str
    #: Empty: nothing is to be done.
    todo: str = ""


def items(newest: Newest, day: date) -> list[Item]:
    """Everything that is looked at, the most urgent first."""
    return sorted([*_examples(day), *_endings(day), *_versions(newest), *_ages(day)])


def _examples(day: date) -> Iterator[Item]:
    for example in EXAMPLES:
        end = profile_of(example.provider).retirements.of(example.model)
        if end is not None and end.near(day, SOON_DAYS):
            todo = "put its successor into model/example_models.py, then `make example-models`"
            yield Item(_left(end, day) - SOON_DAYS, f"example {example.target}", end.told(day), todo)


def _endings(day: date) -> Iterator[Item]:
    for kind in builtin_kinds():
        profile = profile_of(kind)
        price_list = profile.billing.price_list
        ending: dict[Retirement, list[str]] = defaultdict(list)
        for model in models_of(price_list) if price_list else ():
            end = profile.retirements.of(model)
            if end is not None and 0 <= _left(end, day) <= SOON_DAYS:
                ending[end].append(model)
        for end, names in ending.items():
            todo = f"compare day and successor with {profile.retirements.source}"
            yield Item(_left(end, day), f"{kind}: {', '.join(names)}", end.told(day), todo)


def _left(end: Retirement, day: date) -> int:
    left = end.days_left(day)
    return SOON_DAYS if left is None else left


def _versions(newest: Newest) -> Iterator[Item]:
    pinned = dict(_PINNED.findall((ROOT / "requirements" / "runtime.txt").read_text()))
    sdks = {profile_of(kind).sdk.replace(".", "-") for kind in builtin_kinds()}
    for name in sorted({*sdks, "genai-prices"}):
        has, found = pinned.get(name, "none"), newest(name)
        if found is None:
            todo = "the index cannot be asked: look when there is a network, by `make currency`"
            yield Item(DUE_DAYS, name, f"pinned {has}, newest unknown", todo)
        elif found == has:
            yield Item(SOON_DAYS, name, f"pinned {has}, the newest")
        elif found.partition(".")[0] != has.partition(".")[0]:
            todo = "read its notes for what changed on the wire, raise the bound in pyproject.toml, then `make upgrade`"
            yield Item(0, name, f"pinned {has}, newest {found}: another major version", todo)
        else:
            yield Item(DUE_DAYS // 2, name, f"pinned {has}, newest {found}", "`make upgrade`, and run the tests")


def _ages(day: date) -> Iterator[Item]:
    tables = [table for kind in builtin_kinds() for table in _tables(profile_of(kind))]
    tables += [
        ("rules over names (kinds/model_families.py)", model_families.CHECKED, "the documents named there"),
        ("tokens of overhead (pricing/price_book.py)", OVERHEAD_CHECKED, "the document named there"),
    ]
    for what, checked, source in tables:
        age = (day - date.fromisoformat(checked)).days
        todo = f"compare it with {source}, and set its day" if age > DUE_DAYS else ""
        yield Item(max(DUE_DAYS - age, -age), what, f"checked {checked}, {age} days ago", todo)


def _tables(profile: KindProfile) -> Iterator[tuple[str, str, str]]:
    """Tables of a kind: what each is, the day on which it was last compared, with what."""
    yield f"{profile.name}: profile", profile.checked, "the documents named in kinds/builtin"
    families = [family for family in (*profile.families, profile.others) if family is not ANY]
    oldest = min(families, key=lambda family: family.checked, default=None)
    if oldest is not None:
        yield f"{profile.name}: families", oldest.checked, oldest.source or "the documents named in kinds/families"
    if profile.retirements.rows:
        yield f"{profile.name}: retirements", profile.retirements.checked, profile.retirements.source


def newest_on_index(name: str) -> str | None:
    """The newest version of a package by pip's own configuration; None where no index answers."""
    done = subprocess.run([sys.executable, *_PIP, name], capture_output=True, text=True, check=False)
    found = re.match(rf"{re.escape(name)} \(([^)]+)\)", done.stdout)
    return found[1] if done.returncode == 0 and found else None


def main(newest: Newest = newest_on_index) -> int:
    """Prints the report."""
    found = items(newest, today())
    for item in found:
        print(f"{'DUE ' if item.todo else 'ok  '} {item.what}: {item.state}")
        if item.todo:
            print(f"       {item.todo}")
    print(f"{sum(bool(item.todo) for item in found)} of {len(found)} to look at; the most urgent first")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
