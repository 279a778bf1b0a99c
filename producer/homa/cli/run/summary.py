"""What a run says at its end, its exit status, and how to go on."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from homa.cli.exit_status import DONE, SOME_FAILED, STUCK, USAGE, status_of_signal
from homa.cli.run.options import Request
from homa.runs.checkpoint import RunFile
from homa.runs.inputs import STDIN
from homa.runs.progress import short_usd, span
from homa.runs.run_state import Course
from homa_shared.model.money import parse_usd, usd

#: Most characters of a failure's reason on the terminal.
MOST_SHOWN = 300


def status_of_run(course: Course) -> int:
    """The exit status."""
    stop = course.stop
    if stop is not None and stop.signal is not None:
        return status_of_signal(stop.signal)
    if stop is not None:
        return USAGE if stop.misconfigured else STUCK
    if course.tally.over_budget:
        return STUCK
    return SOME_FAILED if course.tally.unsuccessful else DONE


def in_words(summary: dict[str, Any], course: Course) -> str:
    counts = [f"{summary['succeeded']} succeeded"]
    counts += [f"{summary[name]} {name}" for name in ("failed", "cancelled", "expired") if summary[name]]
    missing = summary["total"] - course.tally.ended
    counts += [f"{missing} not done"] if missing > 0 else []
    cost = f"${short_usd(parse_usd(summary['cost_usd']))}"
    if summary["unresolved_usd"] != usd(0):
        cost += f" and at most ${short_usd(parse_usd(summary['unresolved_usd']))} unresolved"
    if summary["unpriced_jobs"]:
        cost += f", {summary['unpriced_jobs']} calls unpriced"
    earlier = f" ({course.tally.earlier} before)" if course.tally.earlier else ""
    return f"{', '.join(counts)}{earlier}; {cost}; {span(summary['seconds'])}; results in {_where(summary)}"


def _where(summary: dict[str, Any]) -> str:
    return "standard output" if summary["output"] == STDIN else str(summary["output"])


def in_short(reason: str) -> str:
    """One line of limited length; the whole stands in the results."""
    line = " ".join(reason.split())
    return line if len(line) <= MOST_SHOWN else f"{line[: MOST_SHOWN - 1]}…"


def how_to_go_on(course: Course, request: Request) -> str:
    drop = ""
    if course.batch and course.stop is not None:
        drop = f", drop what is left with: homa batches cancel {course.batch}"
    if RunFile(request.output).path is None:
        return f"the results that are missing: homa batches results {course.batch}{drop}"
    return f"go on with: {again(request)}{drop}"


def again(request: Request) -> str:
    """The same command line, resumed."""
    arguments = [each for each in sys.argv[1:] if each not in ("--resume", "--force", "--detach", "--json")]
    if arguments[:1] != ["run"]:
        return "the same command with --resume"
    return shlex.join(["homa", *arguments, "--resume"])
