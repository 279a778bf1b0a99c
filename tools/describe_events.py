#!/usr/bin/env python3
"""Writes docs/events.md from the table of events.

python tools/describe_events.py            writes the page
python tools/describe_events.py --check    exit status 1 when the page is not what it would write
"""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "shared"))

from homa_shared.model.events import KINDS, Event, JobEvent, Missed, OtherEvent  # noqa: E402

PAGE = ROOT / "docs" / "events.md"

INTRODUCTION = """\
# Events

What happens to jobs, batches, money and limits, as types. The store keeps the latest 100 000. This page is written by
`tools/describe_events.py` from `shared/homa_shared/model/events.py`: change that, then run it.

<!-- run -->
```python
from homa import Homa
from homa.events import BudgetMark, JobFailed, JobSucceeded, Missed

with Homa() as homa:
    for event in homa.events(after="-", kinds=[JobSucceeded, JobFailed, BudgetMark], follow=False):
        match event:
            case Missed():
                print("events were trimmed before they were read:", event.n)
            case JobFailed():
                print(event.at, event.job, event.reason)
            case _:
                print(event)
```

Without `follow=False` it goes on as things happen; `AsyncHoma.events` is the same with `async for`. `after` is the
`id` of the last event that was seen, `-` begins at the oldest that is kept, and without it a reader begins now. Whoever
keeps the id of what was dealt with resumes behind it. Where the stream was trimmed in between, the first event is
`Missed(n)`, whatever `kinds` says; `n` is None where the reader resumes by an id that the store no longer holds.
An event that this release does not know comes as `OtherEvent`.

An event is written by the script that makes the change: either both stand in the store or neither. Those of one
namespace are told in the order of their changes.

## Handlers

A function that workers call with each event, after it is stored:

<!-- file reports.py -->
```python
import homa
from homa.events import JobFailed


@homa.on(JobFailed, tag="team=search", time_limit_s=30, tries=5)
def report(event: JobFailed) -> None:
    print(event.id, event.job, event.reason)
```

`homa worker --handlers reports` imports the module; each worker that does so shares the handler's events, by a consumer
group of the handler's name (`reports.report`, or `name=`). The worker needs a provider or an actor to serve, too.

* **At least once.** An event is acknowledged when the function has returned. One whose worker was killed is claimed by
  another after the time limit, the longest pause (30 s) and 10 s. Its `id` is the key by which a second call is told
  from a first: write what the handler did under that id, in the same transaction.
* A handler that raises, or is not through within `time_limit_s`, is called again after a pause that doubles, `tries`
  times in all, workers that it killed included. Then the event is a dead letter: it stays in the hash
  `own:dead:<handler>` with its error, and the log says `events.dead`. A sync function cannot be cut: its thread goes on
  beside the next call.
* A new handler begins now, or behind the id in `since` (`0`: the oldest that is kept).
* What was trimmed before a group got to it is logged as `events.missed`, with its number.
* `concurrency` bounds the calls at once in a process. An order of calls is not promised.

## Not told

* A job's submission and its start: an entry for each would triple the stream's writes on the path of plain jobs, and
  the 100 000 kept would reach back a third as far. `homa.jobs()` lists both, with their times.
* A job that is handed back unsent (its worker drains): nothing happened to it.
* Messages of Dramatiq actors: their middleware tells of them.

## Table

Every event has `id` and `at` (UTC). Events of jobs have `job`, `target`, `batch` (None outside of batches), `tenant`
and `tags`, too.
"""


def page() -> str:
    rows = ["| Type | Name in the store | Further fields | When |", "|---|---|---|---|"]
    names: dict[type[Event], list[str]] = {}
    for name, kind in KINDS.items():
        names.setdefault(kind, []).append(f"`{name}`")
    for kind in (*names, OtherEvent, Missed):
        common = {field.name for field in fields(JobEvent if issubclass(kind, JobEvent) else Event)}
        own = ", ".join(f"`{field.name}`" for field in fields(kind) if field.name not in common)
        rows.append(f"| `{kind.__name__}` | {', '.join(names.get(kind, []))} | {own} | {kind.__doc__} |")
    return INTRODUCTION + "\n" + "\n".join(rows) + "\n"


def main() -> int:
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print(f"{PAGE} is not current: run python tools/describe_events.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
