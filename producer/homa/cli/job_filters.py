"""Which jobs a command is about: ids, or filters that pick them from the store's indexes, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import click

from homa.client.management.job_listing import PAGE, JobFilter, read_page, require_batch
from homa.client.session import Session
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.records import Job, State

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--state", type=click.Choice([state.value for state in State]), help="Only jobs in this state."),
    click.option("--batch", metavar="ID", help="Only lines of this batch."),
    click.option("--queue", metavar="NAME", help="Only jobs of this queue."),
    click.option("--provider", metavar="NAME", help="Only jobs whose present target is this provider's."),
    click.option("--tenant", metavar="NAME", help="Only jobs of this tenant."),
    click.option("--tag", metavar="K[=V]", help="Only jobs with this tag."),
    click.option("--template", metavar="NAME[@V]", help="Only jobs by this stored template."),
    click.option("--cause", metavar="KIND", help="Only jobs that failed by an error of this kind."),
)
#: Names of the filters, as commands get them.
FILTERS = ("state", "batch", "queue", "provider", "tenant", "tag", "template", "cause")


def filter_options(function: F) -> F:
    """Adds the filters to a command, as keyword arguments of their names."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def given(filters: dict[str, str | None]) -> dict[str, str]:
    """The filters that were set."""
    return {name: value for name, value in filters.items() if value is not None}


def job_filter(filters: Mapping[str, str | None]) -> JobFilter:
    """The same for the client."""
    return JobFilter(**filters)


def move_all(session: Session, filters: dict[str, str | None], act: Callable[[list[Job]], int]) -> None:
    """Hands pages of jobs to `act`, which returns how many it moved to where the filters may no longer find them.

    What is moved away shifts the rest of a listing, so a page is read again while something on it moves, and the whole
    listing until nothing does. Memory stays bounded by a page, however many jobs there are.
    """
    wanted = job_filter(filters)
    session.driver.run(require_batch(session.keys, wanted.batch))
    moved = True
    while moved:
        moved = False
        cursor: str | None = ""
        while cursor is not None:
            page = session.store.run(read_page(session.keys, wanted, cursor or None))
            changed = act(page.jobs) if page.jobs else 0
            moved = moved or changed > 0
            if not changed:
                cursor = page.cursor


def require_some(ids: Sequence[str], filters: dict[str, str | None], verb: str) -> None:
    """Raises InvalidRequest unless there are ids or filters, and not both: nobody cancels everything by a slip."""
    if bool(ids) == bool(given(filters)):
        options = ", ".join(f"--{name}" for name in FILTERS)
        what = "both ids and filters" if ids else "neither ids nor filters"
        raise InvalidRequest(f"{what} say which jobs to {verb}: expected ids of jobs, or some of {options}")


def chunks(ids: Sequence[str]) -> Iterator[list[str]]:
    """Ids in slices that one operation may take."""
    for start in range(0, len(ids), PAGE):
        yield list(ids[start : start + PAGE])
