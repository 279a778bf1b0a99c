"""`homa jobs resolve`: attempts of unknown cost, listed and settled by hand."""

from __future__ import annotations

import click

from homa.cli import option_types
from homa.cli.context import session
from homa.cli.jobs.answers import tell
from homa.cli.output import age, dollars, json_option, print_json, print_table, usd_or_null
from homa.client.not_found import job_not_found
from homa.client.session import Session
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.ids import split_attempt
from homa_shared.store import reads
from homa_shared.store.transitions import admin


@click.command()
@click.argument("attempt", required=False, metavar="[JOB[:ATTEMPT]]")
@click.option(
    "--usd",
    "nano_usd",
    type=option_types.dollars,
    metavar="USD",
    help="What the provider billed for it, in dollars; 0 for nothing.",
)
@click.option("--note", default="", help="Kept in the job's history.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Most attempts to list.")
@json_option
def resolve(attempt: str | None, nano_usd: int | None, note: str, limit: int, as_json: bool) -> None:
    """Settle an attempt of unknown cost by hand.

    Without arguments: list such attempts, oldest first.
    """
    with session() as here:
        if attempt is None:
            _list_unresolved(here, limit, as_json)
            return
        if nano_usd is None:
            raise InvalidRequest(f"--usd is missing: expected what {attempt} cost by the provider's bill, in dollars")
        job, number = _attempt_of(here, attempt)
        answer = here.store.run(admin.resolve(here.keys, job, number, nano_usd, note))
    tell("resolve", [(f"{job}:{number}", answer)], as_json)


def _attempt_of(here: Session, name: str) -> tuple[str, int]:
    """Job and number of an attempt; the number may be left out where only one is unresolved."""
    if ":" in name:
        try:
            return split_attempt(name)
        except ValueError:
            raise InvalidRequest(f"{name!r} is not an attempt: expected JOB:NUMBER, such as j0abc:1") from None
    view = here.store.run(reads.job(here.keys, name))
    if view is None:
        raise job_not_found(name)
    open_ = [attempt.number for attempt in view.attempts if attempt.charge == "unresolved"]
    if len(open_) != 1:
        told = ", ".join(f"{name}:{number}" for number in open_) or "none"
        raise InvalidRequest(f"job {name} has {len(open_)} unresolved attempts ({told}): expected one; name it")
    return name, open_[0]


def _list_unresolved(here: Session, limit: int, as_json: bool) -> None:
    rows = here.store.run(reads.unresolved(here.keys, limit))
    now_ms = here.store.run(reads.server_time(here.keys))
    found = []
    for name, since_ms in rows:
        job, number = split_attempt(name)
        view = here.store.run(reads.job(here.keys, job))
        attempt = next((a for a in view.attempts if a.number == number), None) if view else None
        found.append((name, since_ms, attempt))
    if as_json:
        print_json(
            {
                "unresolved": [
                    {
                        "attempt": name,
                        "since_ms": since_ms,
                        "target": attempt.target if attempt else None,
                        "outcome": attempt.outcome if attempt else None,
                        "unresolved_usd": usd_or_null(attempt.unresolved_nano_usd) if attempt else None,
                        "request_id": attempt.note.get("request_id") if attempt else None,
                    }
                    for name, since_ms, attempt in found
                ]
            }
        )
        return
    print_table(
        ("ATTEMPT", "AGE", "TARGET", "OUTCOME", "AT MOST", "ERROR"),
        (
            (
                name,
                age(since_ms, now_ms),
                attempt.target if attempt else "",
                attempt.outcome if attempt else "",
                dollars(attempt.unresolved_nano_usd) if attempt else "",
                attempt.error if attempt else "",
            )
            for name, since_ms, attempt in found
        ),
        right={"AGE", "AT MOST"},
        wraps={"TARGET", "ERROR"},
        empty="no attempt is unresolved",
    )
