"""`homa audit`: who changed what by hand, and whether the trail of it is whole."""

from __future__ import annotations

import click
import orjson

from homa.cli.context import say, session
from homa.cli.documents.access import AuditEntryDocument, AuditLogDocument, VerificationDocument
from homa.cli.exit_status import SOME_FAILED, Stopped
from homa.cli.output import json_option, moment, number, print_json, print_table
from homa_shared.store.audit_trail import Entry, Verification, latest, trail


@click.group("audit")
def command() -> None:
    """Show who changed what by hand, and prove that nobody has changed that."""


@command.command("log")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000), help="Most entries.")
@json_option(AuditLogDocument)
def log(limit: int, as_json: bool) -> None:
    """List what was asked for by hand, the latest first.

    An entry is written before the action is tried: one that was refused stands there, too.
    """
    with session() as here:
        entries = here.store.run(latest(here.keys, limit))
    if as_json:
        print_json(AuditLogDocument(entries=[_document(entry) for entry in entries]))
        return
    print_table(
        ("WHEN", "WHO", "BY", "ACTION", "WHAT", "DETAILS"),
        map(_row, entries),
        wraps={"WHO", "WHAT", "DETAILS"},
        empty="nobody has changed anything by hand yet",
    )


@command.command("verify")
@click.option("--expect", default="", metavar="DIGEST", help="A digest printed earlier and kept elsewhere.")
@json_option(VerificationDocument)
def verify(expect: str, as_json: bool) -> None:
    """Check that no entry was changed, added or taken away; prints the digest to keep elsewhere.

    Exit status 1 where one was. Whoever can write to the store can make a whole new trail: only a digest that you kept
    outside of it, given by --expect, shows that.
    """
    with session() as here:
        found, after = Verification(), ""
        while page := here.store.run(trail(here.keys, after=after)):
            found.look(page, expect)
            after = page[-1].id
    missed = bool(expect) and not found.met and not found.broken
    if as_json:
        told = VerificationDocument(entries=found.entries, digest=found.head, broken=found.broken or None)
        if expect:
            told["expected_found"] = found.met
        print_json(told)
    elif found.broken:
        click.echo(found.broken)
    elif missed:
        click.echo(f"no entry has the digest {expect:.80}: the trail is not the one that it was taken from")
    else:
        click.echo(f"{number(found.entries)} entries, whole; digest {found.head or '(none yet)'}")
    if found.broken or missed:
        say("keep a copy of the store and ask who may write to it (docs/security.md)")
        raise Stopped(SOME_FAILED)


def _row(entry: Entry) -> tuple[str, ...]:
    details = ", ".join(f"{name}={_shown(value)}" for name, value in entry.details.items() if value not in ("", None))
    return (moment(entry.at_ms), entry.actor, entry.via, entry.action, entry.subject, details)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _document(entry: Entry) -> AuditEntryDocument:
    return {
        "id": entry.id,
        "at_ms": entry.at_ms,
        "actor": entry.actor,
        "via": entry.via,
        "action": entry.action,
        "subject": entry.subject,
        "details": entry.details,
        "digest": entry.digest,
    }
