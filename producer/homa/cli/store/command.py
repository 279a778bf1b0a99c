"""`homa store`: status, stop, backup and restore of the embedded store."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homa.cli.context import settings_context
from homa.cli.documents.store import (
    BackupDocument,
    EmbeddedStoreDocument,
    RestoredDocument,
    ServerStoreDocument,
    StoppedDocument,
)
from homa.cli.output import json_option, number, print_facts, print_json, span
from homa.cli.store.blobs import blobs
from homa.cli.store.size import size
from homa_shared.model.errors import ConfigError

if TYPE_CHECKING:
    from homa.drivers.context import Context
    from homa_shared.store.embedded import EmbeddedStore, StoreStatus

_MIB = 1024 * 1024


@click.group("store")
def command() -> None:
    """Status, stop, backup and restore of the embedded store; what size a store needs; orphans of the blob store."""


command.add_command(blobs)
command.add_command(size)


@command.command()
@json_option(EmbeddedStoreDocument, ServerStoreDocument)
def status(as_json: bool) -> None:
    """Where the store is, whether it runs and what it holds; status 0 whether or not the embedded one runs."""
    context = settings_context()
    if context.settings.redis_url is not None:
        _remote_status(context, as_json)
        return
    store = context.embedded
    running = store.running()
    if as_json:
        facts = asdict(running) if running else {}
        print_json({"embedded": True, "running": running is not None, "directory": str(store.directory), **facts})
    elif running is None:
        click.echo(f"the embedded store in {store.directory} does not run")
    else:
        print_facts(_facts(store, running))


@command.command()
@json_option(StoppedDocument)
def stop(as_json: bool) -> None:
    """Stop the embedded store, whoever uses it; its data stays."""
    store = _only_embedded("stop")
    stopped = store.stop()
    if as_json:
        print_json(StoppedDocument(stopped=stopped))
    else:
        click.echo(f"the embedded store in {store.directory} {'is stopped' if stopped else 'did not run'}")


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option(BackupDocument)
def backup(file: Path, as_json: bool) -> None:
    """Write everything that the embedded store holds to a new file, as of one moment, while it serves."""
    _only_embedded("back up").backup(file)
    size = file.stat().st_size
    if as_json:
        print_json(BackupDocument(file=str(file), bytes=size))
    else:
        click.echo(f"{file}: {number(size)} bytes")


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option(RestoredDocument)
def restore(file: Path, as_json: bool) -> None:
    """Put a backup in the place of everything that the embedded store holds.

    What happened after the backup is forgotten: jobs that ended since then run, and are paid, again.
    """
    aside = _only_embedded("restore").restore(file)
    if as_json:
        print_json(RestoredDocument(restored=str(file), set_aside=None if aside is None else str(aside)))
    else:
        click.echo(f"restored {file}" + (f"; what was there is in {aside}" if aside else ""))


def _only_embedded(verb: str) -> EmbeddedStore:
    context = settings_context()
    settings = context.settings
    if settings.redis_url is not None:
        raise ConfigError(
            f"redis_url is set ({settings.origin(('redis_url',))}), so the store is not Homa's to {verb}: expected it "
            "unset for the embedded store; use the tools of your Redis or Valkey"
        )
    return context.embedded


def _remote_status(context: Context, as_json: bool) -> None:
    with closing(context.connect()) as store:
        facts = store.facts()
    if as_json:
        print_json({"embedded": False, "running": True, "url": str(store.address), **asdict(facts)})
        return
    print_facts(
        (
            ("store", str(store.address)),
            ("server", f"{facts.kind} {facts.version}, {facts.role}"),
            ("memory", _memory(facts.used_memory_bytes, facts.maxmemory_bytes)),
            (
                "persistence",
                f"append-only file, fsync {facts.appendfsync}" if facts.appendonly else "no append-only file",
            ),
            ("eviction", facts.maxmemory_policy),
        )
    )


def _facts(store: EmbeddedStore, status: StoreStatus) -> list[tuple[str, str]]:
    return [
        ("store", status.url),
        ("directory", str(store.directory)),
        ("server", f"valkey {status.version}, pid {status.pid}, up {span(status.uptime_s * 1000)}"),
        ("memory", _memory(status.used_memory_bytes, status.maxmemory_bytes)),
        ("append-only file", f"{status.aof_bytes / _MIB:.1f} MiB"),
        ("clients", number(status.clients)),
    ]


def _memory(used: int, most: int) -> str:
    return f"{used / _MIB:.1f} MiB" + (f" of {most / _MIB:,.0f} MiB" if most else ", no limit")
