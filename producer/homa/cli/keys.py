"""`homa keys`: who may use the gateway."""

from __future__ import annotations

import time
from typing import Any

import click

from homa.cli.context import say, session
from homa.cli.output import json_option, moment, print_json, print_table
from homa.submit.option_checks import check_tenant
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.targets import nearest
from homa_shared.settings.names import suggestion
from homa_shared.store.gateway_keys import GatewayKey, Role, all_keys, new_key, put_key, revoke_key


@click.group("keys")
def command() -> None:
    """Create, list or revoke keys of the gateway."""


@command.command("create")
@click.option("--tenant", default="", help="On whose behalf it submits; a tenant's key needs one.")
@click.option(
    "--role",
    default=Role.TENANT.value,
    show_default=True,
    type=click.Choice([role.value for role in Role]),
    help="What it may do.",
)
@click.option("--model", "models", multiple=True, metavar="PATTERN", help="All that it may ask for; may be repeated.")
@click.option("--name", default="", help="For people.")
@json_option
def create(tenant: str, role: str, models: tuple[str, ...], name: str, as_json: bool) -> None:
    """Make a key, and print it: it cannot be shown again."""
    if role == Role.TENANT and not tenant:
        raise click.UsageError("a tenant's key needs --tenant NAME; or give --role operator or admin")
    key, shown = new_key(Role(role), check_tenant("tenant", tenant) if tenant else "", models, name)
    with session() as here:
        here.store.run(put_key(here.keys, key))
    if as_json:
        print_json({"key": shown, **_document(key)})
        return
    say(f"key {key.id}: keep it safe, it is not shown again")
    click.echo(shown)


@command.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """List all keys, the revoked ones too."""
    with session() as here:
        keys = here.store.run(all_keys(here.keys))
    if as_json:
        print_json({"keys": [_document(key) for key in keys]})
        return
    print_table(("ID", "ROLE", "TENANT", "MODELS", "NAME", "CREATED", "REVOKED"), map(_row, keys), empty=_NONE)


@command.command("revoke")
@click.argument("ids", nargs=-1, required=True)
def revoke(ids: tuple[str, ...]) -> None:
    """Take keys out of force, by their ids; gateways heed it within a second."""
    with session() as here:
        known = {key.id for key in here.store.run(all_keys(here.keys))}
        for key_id in ids:
            if key_id not in known:
                raise InvalidRequest(
                    f"no key {key_id!r:.80}{suggestion(nearest(key_id, known))}: `homa keys list` shows all"
                )
        for key_id in ids:
            here.store.run(revoke_key(here.keys, key_id, time.time_ns() // 1_000_000))
            say(f"key {key_id} is revoked")


_NONE = "no key has been made: the gateway answers this machine only; `homa keys create --tenant NAME`"


def _row(key: GatewayKey) -> tuple[str, ...]:
    revoked = "" if key.revoked_ms is None else moment(key.revoked_ms)
    return (key.id, key.role, key.tenant, ", ".join(key.models), key.name, moment(key.created_ms), revoked)


def _document(key: GatewayKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "role": key.role,
        "tenant": key.tenant,
        "models": list(key.models),
        "name": key.name,
        "created_ms": key.created_ms,
        "revoked_ms": key.revoked_ms,
    }
