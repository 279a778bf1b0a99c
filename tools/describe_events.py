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

from homa_shared.model.event_kinds import KINDS  # noqa: E402
from homa_shared.model.events import Event, JobEvent, Missed, OtherEvent  # noqa: E402

PAGE = ROOT / "docs" / "events.md"

INTRODUCTION = """\
# Events

What happens to jobs, batches, schedules, money and limits, as types. The store keeps the latest 100 000
(`[events] kept`); [settings](settings.md#events) also say which are not written (`off`). This page is written by
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

`homa worker --handlers reports` imports the module; each worker that does so shares the handler's events, by a
consumer group of the handler's name (`reports.report`, or `name=`). The worker needs a provider or an actor to serve,
too.

* **At least once.** A worker holds a lease of each event that it was given, and renews it (`lease_s`, 30 s). An event
  is acknowledged when the function has returned. What a killed worker held is taken over by another when its lease is
  over, what one that was told to stop held is at once, what a lost reply of the store handed out is found. The `id` of
  an event is the key by which a second call is told from a first: write what the handler did under that id, in one
  transaction.
* A handler that raises (`SystemExit` is no exception), or is not through within `time_limit_s`, is called again after
  a pause that doubles, `tries` times in all, calls that ended with their worker included. Then the event is a dead
  letter. Events that were lost with two workers are tried one at a time, so that one that kills workers takes no
  others with it.
* An async function runs on the loop that the worker's calls run on: it must not block. A sync one runs in a thread. It
  cannot be cut: its thread goes on after the time limit, and counts towards `concurrency` until it ends. Where all of
  them hang, the log says `events.stuck`, and other workers take over.
* `concurrency` bounds the calls at once in a process. An order of calls is not promised.
* A new handler begins now, or behind the id in `since` (`-`: the oldest that is kept). A handler that is renamed is a
  new one: give it `name=` with the old name, or `since=`. Declared twice under one name it is refused, with both
  places.
* Workers whose modules differ share what each of them has: a handler's events go to those that declare it. Where two
  releases of one handler run side by side, each acknowledges what its own declaration is not for.
* A worker that drains takes events until its jobs are through, and lets calls that run finish.

### What a handler misses

The stream is trimmed whoever has read it. Events that were trimmed before a handler's group got to them are counted
exactly, logged once as `events.missed`, and told to a handler that is for `Missed`, too (`@homa.on(JobFailed,
Missed)`): it is called with `Missed(n)` once for each gap, by one worker. `n` is None where a group began at an id of
`since` and has not caught up since. An event that is trimmed while it is handled, or waits for its next try, is put
back for the handler.

`homa events handlers` (`homa.event_handlers()`) lists how far each is, what it missed, and whether a worker runs it.
One that nobody runs does not grow: its group holds what workers were given, a few hundred events at most, and the
oldest of the rest are trimmed. `homa doctor` tells of it until a worker runs it again or `homa events forget NAME`
removes it.

### Dead letters

```sh
homa events dead                      # which event, at which handler, its last error, how often it was tried
homa events retry 1767225600000-0     # calls its handlers anew, with all their tries
homa events retry --all --handler reports.report
homa events drop 1767225600000-0
```

In Python `homa.dead_events()`, `retry_dead_events(…)` and `drop_dead_events(…)` of both clients. A retried event keeps
its id. The newest 10 000 of each handler are kept (`[events] dead`); what makes room for them is counted, and told by
`homa doctor`.

### In tests

`fake(handlers=[report])` of [homa.testing](testing.md) calls handlers in the test's process; `drain` waits for them,
and tries follow one another without a pause.

## Not told

* A job's submission and its start: an entry for each would triple the stream's writes on the path of plain jobs, and
  those kept would reach back a third as far. `homa.jobs()` lists both, with their times.
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
