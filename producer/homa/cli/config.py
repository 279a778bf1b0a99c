"""`homa config show`: every setting, and where it came from."""

from __future__ import annotations

import click

from homa.cli.context import say, session, settings_context
from homa.cli.documents.settings import FleetSettingDocument, FleetSettingsDocument, SettingDocument, SettingsDocument
from homa.cli.output import json_option, print_json, print_table
from homa_shared.settings.changes import words


@click.group("config")
def command() -> None:
    """Show settings and where they come from."""


@command.command()
@click.option(
    "--fleet", is_flag=True, help="The fleet's settings in the store, beside this machine's where they differ."
)
@json_option(SettingsDocument, FleetSettingsDocument)
def show(fleet: bool, as_json: bool) -> None:
    """Every setting with its value, secrets masked, and its origin: a variable, file:line, or default."""
    if fleet:
        _show_fleet(as_json)
        return
    from homa_shared.settings.model import origins

    rows = origins(settings_context().settings)
    if as_json:
        told = [SettingDocument(name=row.name, value=row.value, origin=row.origin) for row in rows]
        print_json(SettingsDocument(settings=told))
    else:
        print_table(("SETTING", "VALUE", "ORIGIN"), rows, wraps={"VALUE", "ORIGIN"})


@command.command("new-encryption-key")
def new_encryption_key() -> None:
    """Print a new key for HOMA_ENCRYPTION_KEYS. It is kept nowhere.

    Without its key nothing that it sealed can ever be read.
    """
    from homa_shared.encryption.keyring import new_key

    click.echo(new_key().written())
    say("add it behind the keys that are in use, on every process; then put it in front (docs/security.md)")


def _show_fleet(as_json: bool) -> None:
    from homa_shared.settings.changes import compared
    from homa_shared.settings.fleet import Fleet
    from homa_shared.store.transitions.fleet import read_fleet

    with session(drift_told=False) as here:
        theirs = here.store.run(read_fleet(here.keys))
        rows = compared(theirs or Fleet(), here.settings.fleet())
    if as_json:
        found = [FleetSettingDocument(name=row.name, fleet=row.old, here=row.new) for row in rows]
        print_json(FleetSettingsDocument(version=theirs.version if theirs else 0, settings=found))
        return
    print_table(
        ("SETTING", "IN FORCE", "HERE"),
        ((row.name, words(row.old), "" if row.new == row.old else words(row.new)) for row in rows),
        wraps={"IN FORCE", "HERE"},
        empty="the store has no settings yet: the first worker, or `homa apply`, writes its own",
    )
    if theirs is not None:
        say(f"the fleet's settings are version {theirs.version}; `homa apply` writes this machine's")
