"""Which jobs a command is about: ids, or filters that pick them from the store's indexes, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from itertools import chain, islice
from typing import Any, TypeVar

import click

from homa.client.not_found import batch_not_found
from homa.client.session import Session
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.records import Job, State
from homa_shared.store import reads

F = TypeVar("F", bound=Callable[..., Any])

#: Jobs that are read and acted on at once.
PAGE = 250

_OPTIONS = (
    click.option("--state", type=click.Choice([state.value for state in State]), help="Only jobs in this state."),
    click.option("--batch", metavar="ID", help="Only lines of this batch."),
    click.option("--queue", metavar="NAME", help="Only jobs of this queue."),
    click.option("--provider", metavar="NAME", help="Only jobs whose present target is this provider's."),
    click.option("--tenant", metavar="NAME", help="Only jobs of this tenant."),
    click.option("--tag", metavar="K[=V]", help="Only jobs with this tag."),
)
#: Names of the filters, as commands get them.
FILTERS = ("state", "batch", "queue", "provider", "tenant", "tag")


def filter_options(function: F) -> F:
    """Adds the filters to a command, as keyword arguments of their names."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def given(filters: dict[str, str | None]) -> dict[str, str]:
    """The filters that were set."""
    return {name: value for name, value in filters.items() if value is not None}


def selected(session: Session, filters: dict[str, str | None], limit: int) -> list[Job]:
    """Jobs that fit the filters, at most `limit`: live ones first, then ended ones, the newest first.

    Raises:
        JobNotFound: the batch named is not in the store.
    """
    require_batch(session, filters.get("batch"))
    if filters.get("state") or filters.get("batch"):
        return list(islice(_walk(session, filters, limit), limit))
    live = _walk(session, filters, limit, reads.LIVE_LISTS)
    # Two lists in the store, each newest first: successes stand in the ledger, the other ends in an index.
    ended = merge(
        *(_walk(session, filters, limit, (name,)) for name in reads.ENDED_LISTS), key=lambda job: -(job.ended_ms or 0)
    )
    return list(islice(chain(live, ended), limit))


def _walk(
    session: Session, filters: dict[str, str | None], limit: int, lists: Sequence[str] | None = None
) -> Iterator[Job]:
    cursor: str | None = ""
    while cursor is not None:
        page = _page(session, filters, min(PAGE, limit), cursor or None, lists)
        yield from page.jobs
        cursor = page.cursor


def each_page(session: Session, filters: dict[str, str | None]) -> Iterator[list[Job]]:
    """All jobs that fit the filters, a page at a time.

    Raises:
        JobNotFound: the batch named is not in the store.
    """
    require_batch(session, filters.get("batch"))
    cursor: str | None = None
    while True:
        page = _page(session, filters, PAGE, cursor)
        yield page.jobs
        cursor = page.cursor
        if cursor is None:
            return


def move_all(session: Session, filters: dict[str, str | None], act: Callable[[list[Job]], int]) -> None:
    """Hands pages of jobs to `act`, which returns how many it moved to where the filters may no longer find them.

    What is moved away shifts the rest of a listing, so a page is read again while something on it moves, and the whole
    listing until nothing does. Memory stays bounded by a page, however many jobs there are.
    """
    require_batch(session, filters.get("batch"))
    moved = True
    while moved:
        moved = False
        cursor: str | None = ""
        while cursor is not None:
            page = _page(session, filters, PAGE, cursor or None)
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


def require_batch(session: Session, batch: str | None) -> None:
    """Raises JobNotFound where a batch is named that the store does not hold."""
    if batch is not None:
        batch_view(session, batch)


def batch_view(session: Session, batch: str) -> reads.BatchView:
    """A batch as it stands.

    Raises:
        JobNotFound: the store has none of this name.
    """
    view = session.store.run(reads.batch(session.keys, batch))
    if view is None:
        raise batch_not_found(batch)
    return view


def chunks(ids: Sequence[str]) -> Iterator[list[str]]:
    """Ids in slices that one operation may take."""
    for start in range(0, len(ids), PAGE):
        yield list(ids[start : start + PAGE])


def _page(
    session: Session,
    filters: dict[str, str | None],
    limit: int,
    cursor: str | None,
    lists: Sequence[str] | None = None,
) -> reads.Page:
    return session.store.run(
        reads.jobs(
            session.keys,
            state=filters.get("state"),
            batch=filters.get("batch"),
            queue=filters.get("queue"),
            provider=filters.get("provider"),
            tenant=filters.get("tenant"),
            tag=filters.get("tag"),
            lists=lists,
            limit=limit,
            cursor=cursor,
        )
    )
