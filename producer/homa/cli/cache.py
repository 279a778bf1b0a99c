"""`homa cache`: show or clear the reply cache."""

from __future__ import annotations

import click

from homa.cli.context import session
from homa.cli.documents.fleet import CacheClearedDocument, CacheStatsDocument
from homa.cli.output import json_option, number, print_facts, print_json
from homa_shared.store import reads
from homa_shared.store.audit_trail import audited
from homa_shared.store.transitions import admin


@click.group("cache")
def command() -> None:
    """Show or clear the reply cache."""


@command.command()
@json_option(CacheStatsDocument)
def stats(as_json: bool) -> None:
    """Hits, misses, jobs that followed an equal one in flight, replies stored and held now.

    What follows under `vector` is of single texts in jobs of embeddings.
    """
    with session() as here:
        told = here.store.run(reads.cache_stats(here.keys))
    if as_json:
        print_json(told)
    else:
        print_facts((name.replace("_", " "), number(count)) for name, count in told.items())


@command.command()
@json_option(CacheClearedDocument)
def clear(as_json: bool) -> None:
    """Forget which replies answer equal requests, and vectors of single texts; the jobs and their replies stay."""
    cleared = 0
    with session() as here:
        # In slices; the audit trail has one entry for all of them.
        some = here.store.run(audited(admin.clear_cache(here.keys), "cache.cleared", "cache"))
        while some:
            cleared += some
            some = here.store.run(admin.clear_cache(here.keys))
    if as_json:
        print_json(CacheClearedDocument(cleared=cleared))
    else:
        click.echo(f"{number(cleared)} entries cleared")
