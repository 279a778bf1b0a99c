"""What a run says at its end, and how to go on."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from typing import Any

from homa.cli.run.options import RunRequest
from homa.client.management.wording import shortened
from homa.runs.checkpoint import CheckpointFile
from homa.runs.inputs import STDIN
from homa.runs.progress import duration, short_usd
from homa.runs.run_state import RunState
from homa_shared.model.money import parse_usd, usd

#: Flags of one part of a run alone.
_ONCE = ("--resume", "--force", "--detach", "--json", "--changed", "--prune")
#: Options with a value of which the same is true: what was to be done anew is missing in the output by now.
_ONCE_WITH_VALUE = ("--redo", "--retry")
#: Most characters of a failure's reason on the terminal.
MOST_SHOWN = 300


def in_words(summary: dict[str, Any], state: RunState) -> str:
    counts = [f"{summary['succeeded']} succeeded"]
    counts += [f"{summary[name]} {name}" for name in ("failed", "cancelled", "expired") if summary[name]]
    passed = sum(summary["skipped"].values())
    if passed == summary["failed"] and passed:
        counts[1] = f"{passed} skipped"
    elif passed:
        counts[1] += f" ({passed} of them skipped)"
    missing = summary["total"] - state.tally.ended
    counts += [f"{missing} not done"] if missing > 0 else []
    counts += [_cut(summary["cut"], summary["cut_empty"])] if summary["cut"] else []
    counts += [f"{summary['unverified']} with quotes that were not found"] if summary["unverified"] else []
    cost = f"${short_usd(parse_usd(summary['cost_usd']))}"
    if summary["unresolved_usd"] != usd(0):
        cost += f" and at most ${short_usd(parse_usd(summary['unresolved_usd']))} unresolved"
    if summary["unpriced_jobs"]:
        cost += f", {summary['unpriced_jobs']} calls unpriced"
    earlier = f" ({state.tally.earlier} before)" if state.tally.earlier else ""
    return f"{', '.join(counts)}{earlier}; {cost}; {duration(summary['seconds'])}; results in {_where(summary)}"


def _cut(count: int, empty: int) -> str:
    return f"{count} cut at the output cap" + (f", {empty} of them empty" if empty else "")


def _where(summary: dict[str, Any]) -> str:
    return "standard output" if summary["output"] == STDIN else str(summary["output"])


def in_short(reason: str) -> str:
    """One line of limited length; the results file has all of it."""
    return shortened(reason, MOST_SHOWN)


def how_to_go_on(state: RunState, request: RunRequest) -> Iterator[str]:
    """What may be done next: a sentence each, with its command at the end, where it can be copied."""
    if not CheckpointFile.of(request.output).lasts:
        yield f"the results that are missing: homa batches results {state.batch}"
    else:
        yield f"go on with: {again()}"
    if state.batch and state.stop is not None:
        yield f"drop what is left with: homa batches cancel {state.batch}"


def _lasting(arguments: list[str]) -> list[str]:
    """The arguments that hold for all parts of a run."""
    kept, left = [], iter(arguments)
    for each in left:
        if each in _ONCE_WITH_VALUE:
            next(left, None)
        elif each not in _ONCE and not each.startswith(tuple(f"{name}=" for name in _ONCE_WITH_VALUE)):
            kept.append(each)
    return kept


def again() -> str:
    """The same command line, resumed."""
    arguments = _lasting(sys.argv[1:])
    if arguments[:1] != ["run"]:
        return "the same command with --resume"
    return shlex.join(["homa", *arguments, "--resume"])
