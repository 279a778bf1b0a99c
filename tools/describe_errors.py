#!/usr/bin/env python3
"""Writes docs/errors.md from the classes of errors and the kinds of failures: each with its cause and its remedy.

python tools/describe_errors.py            writes the page
python tools/describe_errors.py --check    exit status 1 when the page is not what it would write

A cause is the first sentence of a class's docstring, or the comment beside a kind. Remedies stand here; an
error without one is refused.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("producer", "shared", "workers")]

import homa  # noqa: E402
from homa.cli.exit_status import status_of  # noqa: E402
from homa.client.file_results import RunStopped  # noqa: E402
from homa.supervision.errors import WorkerLost  # noqa: E402
from homa_shared.calls import failures  # noqa: E402
from homa_shared.calls.failures import FREE, ErrorKind  # noqa: E402
from homa_shared.calls.request import NewerRequest, SealedRequest  # noqa: E402
from homa_shared.model import errors  # noqa: E402
from homa_shared.plugins import PluginError  # noqa: E402
from homa_shared.store.blobs import BlobsUnavailable  # noqa: E402

PAGE = ROOT / "docs" / "errors.md"

INTRODUCTION = """\
# Errors

This page is written by `tools/describe_errors.py` from the classes and kinds themselves: change those, then run it.

Every error that Homa raises is a `homa.HomaError`. Its message names the offender, its value, what was expected and the next
step. Below is what each one means and what to do.
"""

#: Class -> what to do about it.
REMEDIES: dict[str, str] = {
    "HomaError": "Catch it to catch all of them.",
    "ConfigError": "Correct the setting that it names, where it says it comes from. `homa config show` lists all of them.",
    "PluginError": "Correct or remove the package that it names; `homa plugins` shows which of them load.",
    "InvalidRequest": "Correct what it names. Nothing was submitted, so the same `key` may be used again.",
    "UnknownModel": "Write `provider:model` with a provider of the settings, or an alias; it names the nearest ones.",
    "KeyConflict": "Use another `key`, or read the first job: `error.job_id`.",
    "NewerRequest": "Upgrade this worker: a newer release wrote the job. It was handed back and waits for one that can read it.",
    "SealedRequest": "Give this worker the key that it names. The job was handed back and waits for a worker that has it.",
    "SealedPayload": "Add the key that it names to `HOMA_ENCRYPTION_KEYS` of this process (docs/security.md).",
    "ConversationNotFound": "Begin it, or raise `[retention] conversations`.",
    "ConversationForbidden": "Ask with the owner or tenant that began it.",
    "ConversationFull": "Branch it from an earlier turn, or begin another.",
    "StaleTurn": "Read the conversation again (`error.turns`), and ask on from there.",
    "TurnPending": "Wait for the job that it names (`error.job_id`), or cancel it.",
    "AnswerRefused": "Look at `error.why`, and at the run with `homa flow show RUN`.",
    "MissingExtra": "Run the `pip install` line that it prints.",
    "StoreUnavailable": "Look whether the store runs and `HOMA_REDIS_URL` leads to it; `homa doctor` says more. With `error.job_id` the "
    "job may have been accepted: submit again with the same `key`.",
    "StoreFull": "Give the store memory, shorten `[retention]`, or purge results (`homa store size` reckons). Accepted jobs go on.",
    "BlobsUnavailable": "Look whether the bucket or directory of `HOMA_BLOBS` can be reached with this process's credentials.",
    "OutputUnwritable": "Make room on the disk, then run the same command with `--resume`.",
    "PlaceUnavailable": "Look whether the bucket or server that it names can be reached, then run the same command with `--resume`.",
    "BudgetExceeded": "Raise the cap, lower `max_tokens`, or wait until the period turns. `homa budgets` shows what is spent.",
    "KeyRateExceeded": "Wait as long as it says, or give the gateway's key a higher rate.",
    "JobNotFound": "Look at the id and the namespace. Results are kept as long as `[retention] results` says.",
    "JobEnded": "Catch it to catch all three below; `error.attempts` has what happened.",
    "JobFailed": "`homa jobs show JOB` has each attempt's reason (kinds are below). After mending the cause: `homa jobs retry JOB`.",
    "JobCancelled": "Nobody is to blame: somebody cancelled it. `homa jobs retry JOB` makes a new one.",
    "JobExpired": "Give it a later deadline, or find out what it waited for: `homa jobs why` while it waits.",
    "InvalidReply": "The text is in `reply.text`. Use a model with strict schemas, loosen the schema, or allow more repeats.",
    "CountFailed": "Count offline (without `exact=True`), or try again.",
    "ResultTimeout": "The job goes on: ask again, or look at `homa jobs why JOB`. It says when no worker serves the queue.",
    "RunStopped": "Look at `error.summary` and what stopped it (raise the budget, mend the cause), then go on with `resume=True`.",
    "WorkerLost": "The tail of its log says why it ended; mend that, then go on with `--resume`.",
}

#: Kind -> what to do about it.
KIND_REMEDIES: dict[ErrorKind, str] = {
    ErrorKind.RATE_LIMITED: "Nothing: the job waits and is called again. Set the account's real limits if it comes often.",
    ErrorKind.QUOTA_EXHAUSTED: "Add credit at the provider, or name a fallback.",
    ErrorKind.UNAUTHORIZED: "Set the right key on the workers. Batches have paused: `homa batches resume`.",
    ErrorKind.MODEL_NOT_FOUND: "Correct the model's name, or ask the provider for access; `homa models` lists what is known.",
    ErrorKind.NOT_FOUND: "Look at `base_url`: the server lacks the API that was asked for.",
    ErrorKind.OVERLOADED: "Nothing: it is tried again, then goes to a fallback.",
    ErrorKind.UNREACHABLE: "Look at network, proxy and `base_url` of the workers: `homa doctor` tries each provider.",
    ErrorKind.AMBIGUOUS: 'It is tried again, unless `on_ambiguous="fail"`. Its cost stands as unresolved: `homa jobs resolve`.',
    ErrorKind.CONFLICT: "Nothing: it is tried again.",
    ErrorKind.INVALID_REQUEST: "Correct the request; the provider's words say what it does not take.",
    ErrorKind.UNSUPPORTED_BY_MODEL: "Leave the parameter out, or use a model that has it.",
    ErrorKind.CONTEXT_TOO_LONG: "Shorten or split the text, or name a fallback with a larger window.",
    ErrorKind.CONTENT_POLICY: 'Change the text, or let another model try: `on_content_policy="reroute"`.',
    ErrorKind.MALFORMED: "Nothing at first: it is tried again. Often: what stands at `base_url` does not speak the API.",
    ErrorKind.REPLY_TOO_LARGE: "Raise `reply_max_bytes` of the provider, or ask for less.",
    ErrorKind.UNUSABLE_REPLY: "Try again, or another model: the reply was billed.",
    ErrorKind.INTERNAL: "Report it, with `homa jobs show JOB --trace`: it is a defect.",
}

#: Classes that stand elsewhere than in `model/errors.py`.
ELSEWHERE = (PluginError, NewerRequest, SealedRequest, BlobsUnavailable, RunStopped, WorkerLost)


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, "## Classes\n", *_classes(), "", "## Kinds of failures\n", *_kinds(), ""])


def classes() -> list[type[errors.HomaError]]:
    """Every class that an application or a command can meet."""
    own = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, errors.HomaError)]
    named = [*own, *ELSEWHERE]
    order = {name: place for place, name in enumerate(REMEDIES)}
    missing = [found.__name__ for found in named if found.__name__ not in order]
    if missing:
        raise SystemExit(f"tools/describe_errors.py: no remedy for {', '.join(missing)}: add it to REMEDIES")
    return sorted(named, key=lambda found: order[found.__name__])


def _classes() -> Iterator[str]:
    yield "`exit` is the status of a command that ends with it.\n"
    yield "| error | is a | cause | remedy | exit |"
    yield "|---|---|---|---|---|"
    for found in classes():
        name = f"homa.{found.__name__}" if hasattr(homa, found.__name__) else found.__name__
        bases = ", ".join(f"`{base.__name__}`" for base in found.__bases__ if base is not Exception)
        cause = (inspect.getdoc(found) or "").split("\n\n")[0]
        yield _row(f"`{name}`", bases, cause, REMEDIES[found.__name__], _status(found))


def _status(found: type[errors.HomaError]) -> str:
    if found in (errors.HomaError, WorkerLost):
        return "2 or 3"
    if found is RunStopped:  # Python's alone
        return ""
    return str(status_of(found.__new__(found)))


def _kinds() -> Iterator[str]:
    yield "A job's attempts carry one of these (`error.attempts`, `homa jobs show`, results files).\n"
    yield "| kind | what the provider said or did | remedy | charged |"
    yield "|---|---|---|---|"
    comments = dict(re.findall(r"^    (\w+) = \"\w+\"  # (.+)$", inspect.getsource(failures.ErrorKind), re.MULTILINE))
    for kind in ErrorKind:
        if kind not in KIND_REMEDIES or (kind.name not in comments and kind not in _PLAIN):
            raise SystemExit(f"tools/describe_errors.py: no cause or remedy for {kind}: add it")
        charged = "nothing" if kind in FREE else "unresolved, or what the reply tells"
        yield _row(f"`{kind.value}`", comments.get(kind.name) or _PLAIN[kind], KIND_REMEDIES[kind], charged)


#: Kinds whose name says what happened.
_PLAIN = {
    ErrorKind.CONTEXT_TOO_LONG: "the request has more tokens than the model's window",
    ErrorKind.CONTENT_POLICY: "the provider's content policy refuses the request or its answer",
}


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def main() -> int:
    if "--check" in sys.argv[1:]:
        if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page():
            return 0
        print(f"{PAGE.relative_to(ROOT)} is not current: run python tools/describe_errors.py", file=sys.stderr)
        return 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
