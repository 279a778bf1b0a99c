#!/usr/bin/env python3
"""Writes docs/store.md from the tables that the code itself goes by: every key, every field of a record, every script.

python tools/describe_store.py            writes the page
python tools/describe_store.py --check    exit status 1 when the page is not what it would write
"""

from __future__ import annotations

import sys
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "shared"))

from homa_shared.model.record_fields import RECORD_FIELDS, Place, RecordField  # noqa: E402
from homa_shared.model.records import RECORD_VERSION  # noqa: E402
from homa_shared.store import scripts  # noqa: E402
from homa_shared.store.keys import KEYS  # noqa: E402

PAGE = ROOT / "docs" / "store.md"

INTRODUCTION = """\
# The store

What Homa keeps in Redis or Valkey. This page is written by `tools/describe_store.py` from `store/keys.py` and
`model/record_fields.py` in `shared/homa_shared/`, and from the headers of the scripts: change those, then run it.

Every key begins with the namespace as a hash tag (`{homa}:`), so that all keys of a namespace live in one cluster slot.
A live job stands in exactly one of four indexes: backlog, due, leases, waiting. Its record is the truth; an index entry
only says where it waits. `homa doctor --deep` proves both.
"""


#: What a field's places are called on the page.
PLACES = {
    Place.COMMON: "submitted for all jobs alike",
    Place.ENTRY: "submitted with each job",
    Place.TAKEN: "handed to the worker",
    Place.RETRIED: "copied to a retry",
    Place.RUNNING: "while it runs",
    Place.WAITING: "while it waits",
}


def page() -> str:
    """The whole page."""
    return "\n".join(
        [INTRODUCTION, "## Keys\n", *_keys(), "", "## Record of a job\n", *_record(), "", "## Scripts\n", *_scripts()]
    )


def _keys() -> list[str]:
    rows = ["| name | key | type | lives | what it holds |", "|---|---|---|---|---|"]
    for name, spec in KEYS.items():
        cells = (name, f"`{spec.pattern}`", spec.type, spec.lifetime, spec.meaning)
        rows.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return rows


def _record() -> list[str]:
    rows = [
        f"Hash `j:<id>`, version {RECORD_VERSION}. Absent fields are absent, not empty.\n",
        "| field | name | type | meaning | absent means | where it goes |",
        "|---|---|---|---|---|---|",
    ]
    return rows + [_field(field) for field in RECORD_FIELDS if Place.RECKONED not in field.places]


def _field(field: RecordField) -> str:
    places = ", ".join(words for place, words in PLACES.items() if place in field.places)
    absent = "" if field.absent is None or field.absent == "" else str(field.absent)
    cells = (f"`{field.short}`", field.name, field.type.value, field.meaning, absent, places)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _scripts() -> list[str]:
    rows = [f"| `{name}.lua` | {_cell(_story(scripts.source(name)))} |" for name in scripts.names()]
    return ["| script | what it does |", "|---|---|", *rows]


def _story(text: str) -> str:
    """The first paragraph of a script's header."""
    header = takewhile(lambda line: line != "--", text.splitlines())
    return " ".join(line[3:] for line in header if line.startswith("-- "))


def _cell(text: str) -> str:
    """Text that does not end a table's cell."""
    return text.replace("|", "\\|")


def main() -> int:
    if "--check" in sys.argv[1:]:
        if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page() + "\n":
            return 0
        print(f"{PAGE.relative_to(ROOT)} is not current: run python tools/describe_store.py", file=sys.stderr)
        return 1
    PAGE.write_text(page() + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
