"""`homa store blobs`: what lies in the blob store and nothing refers to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import click

from homa.cli import option_types
from homa.cli.context import say, session
from homa.cli.documents.store import OrphanDocument, OrphansDocument
from homa.cli.output import json_option, number, print_json, print_table, span
from homa.client.session import Session
from homa_shared.model.errors import ConfigError

#: Blobs that the store is asked about at once.
_CHUNK = 500
#: Least age of what may be deleted, ms: somebody may just be uploading it.
_LEAST_MS = 3_600_000


@click.command()
@click.option(
    "--older-than",
    "age_ms",
    type=option_types.span_ms,
    default="7d",
    show_default=True,
    metavar="SPAN",
    help="At least 1h.",
)
@click.option("--delete", is_flag=True, help="Delete them; by default they are only listed.")
@json_option(OrphansDocument)
def blobs(age_ms: int, delete: bool, as_json: bool) -> None:
    """List, or delete, blobs of this namespace that nothing refers to.

    Workers delete what jobs no longer need by themselves. What is left over is what the store has forgotten: after a
    loss of data, from an older release, or of another store that uses the same bucket under the same namespace. Look
    at the list before deleting.
    """
    if age_ms < _LEAST_MS:
        raise click.BadParameter(
            "expected at least 1h: somebody may be uploading younger ones", param_hint="--older-than"
        )
    with session() as here:
        found = list(_orphans(here, datetime.now(UTC) - timedelta(milliseconds=age_ms), delete=delete))
    total = sum(row["bytes"] for row in found)
    if as_json:
        print_json(OrphansDocument(orphans=found, bytes=total, deleted=delete))
        return
    print_table(
        ("BLOB", "BYTES", "AGE"),
        ((row["path"], number(row["bytes"]), span(row["age_s"] * 1000)) for row in found),
        right={"BYTES", "AGE"},
        empty="no blob of that age is without a reference",
    )
    if found:
        say(f"{len(found)} blobs, {number(total)} bytes" + (" deleted" if delete else "; --delete removes them"))


def _orphans(here: Session, before: datetime, *, delete: bool) -> Iterator[OrphanDocument]:
    from homa_shared.store.transitions.media import unreferred

    store = here.context.blobs
    if store is None:
        raise ConfigError("no blob store is set here: expected HOMA_BLOBS as workers and clients have it")
    now = datetime.now(UTC)
    for listed in store.listing(here.settings.namespace):
        old = {blob.path: blob for blob in listed if blob.changed < before}
        paths = list(old)
        for start in range(0, len(paths), _CHUNK):
            for path in here.store.run(unreferred(here.keys, paths[start : start + _CHUNK])):
                if delete:
                    store.delete(path)
                blob = old[path]
                yield {"path": path, "bytes": blob.bytes, "age_s": round((now - blob.changed).total_seconds())}
