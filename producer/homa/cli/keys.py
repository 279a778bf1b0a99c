"""`homa keys`: who may use the gateway."""

from __future__ import annotations

import time
from typing import Any

import click

from homa.cli.context import say, session
from homa.cli.documents.access import KeyDocument, KeysDocument, MadeKeyDocument
from homa.cli.output import dollars, json_option, moment, number, print_json, print_table, usd_or_null
from homa.submit.option_checks import check_tenant
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.money import parse_usd
from homa_shared.model.targets import nearest
from homa_shared.settings.names import suggestion
from homa_shared.store.gateway_keys import GatewayKey, Role, all_keys, new_key, put_key, revoke_key

#: Periods after which spending is counted from zero; total: never.
PERIODS = ("day", "month", "total")
#: Most requests or tokens a minute that a key may be given: scripts reckon in doubles.
_MOST_RATE = 1_000_000_000


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
@click.option(
    "--models",
    "--model",
    "models",
    multiple=True,
    metavar="PATTERN",
    help="Models and aliases that it may ask for, separated by commas; may be repeated.  [default: all]",
)
@click.option(
    "--budget",
    metavar="USD/PERIOD",
    help="Most that its jobs may cost in a day or month, or for ever: 5/day, 100/month, 20.",
)
@click.option("--rpm", type=click.IntRange(1, _MOST_RATE), help="Most requests a minute.")
@click.option("--tpm", type=click.IntRange(1, _MOST_RATE), help="Most tokens a minute.")
@click.option("--name", default="", help="For people.")
@json_option(MadeKeyDocument)
def create(
    tenant: str,
    role: str,
    models: tuple[str, ...],
    budget: str | None,
    rpm: int | None,
    tpm: int | None,
    name: str,
    as_json: bool,
) -> None:
    """Make a key, and print it: it cannot be shown again."""
    if role == Role.TENANT and not tenant:
        raise click.UsageError("a tenant's key needs --tenant NAME; or give --role operator or admin")
    patterns = tuple(part.strip() for said in models for part in said.split(",") if part.strip())
    if models and not patterns:
        raise click.UsageError(f"--models is {models[0]!r:.80}: expected patterns such as 'openai:*', or leave it out")
    owner = check_tenant("tenant", tenant) if tenant else ""
    key, shown = new_key(Role(role), owner, patterns, name, rpm=rpm, tpm=tpm, **_cap(budget))
    with session() as here:
        here.store.run(put_key(here.keys, key))
    if as_json:
        print_json(MadeKeyDocument(key=shown, **_document(key)))
        return
    say(f"key {key.id}: keep it safe, it is not shown again")
    click.echo(shown)


@command.command("list")
@json_option(KeysDocument)
def list_keys(as_json: bool) -> None:
    """List all keys, the revoked ones too."""
    with session() as here:
        keys = here.store.run(all_keys(here.keys))
    if as_json:
        print_json(KeysDocument(keys=[_document(key) for key in keys]))
        return
    print_table(_HEADERS, map(_row, keys), right={"RPM", "TPM"}, empty=_NONE)


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


_HEADERS = ("ID", "ROLE", "TENANT", "MODELS", "BUDGET", "RPM", "TPM", "NAME", "CREATED", "REVOKED")


def _cap(budget: str | None) -> dict[str, Any]:
    """Cap and period of `USD/PERIOD`; for ever where no period is said."""
    if budget is None:
        return {}
    amount, _, period = budget.partition("/")
    if period not in ("", *PERIODS):
        raise click.UsageError(f"--budget is {budget!r:.80}: expected dollars a period, one of {', '.join(PERIODS)}")
    try:
        return {"cap_nano_usd": parse_usd(amount), "period": period or "total"}
    except ValueError as error:
        raise click.UsageError(f"--budget is {budget!r:.80}: {error}") from None


def _budget(key: GatewayKey) -> str:
    if key.cap_nano_usd is None:
        return ""
    return dollars(key.cap_nano_usd) + ("" if key.period == "total" else f"/{key.period}")


def _row(key: GatewayKey) -> tuple[str, ...]:
    revoked = "" if key.revoked_ms is None else moment(key.revoked_ms)
    rate = tuple("" if limit is None else number(limit) for limit in (key.rpm, key.tpm))
    models = ", ".join(key.models)
    return (key.id, key.role, key.tenant, models, _budget(key), *rate, key.name, moment(key.created_ms), revoked)


def _document(key: GatewayKey) -> KeyDocument:
    return {
        "id": key.id,
        "role": key.role,
        "tenant": key.tenant,
        "models": list(key.models),
        "budget_usd": usd_or_null(key.cap_nano_usd),
        "budget_period": None if key.cap_nano_usd is None else key.period,
        "rpm": key.rpm,
        "tpm": key.tpm,
        "name": key.name,
        "created_ms": key.created_ms,
        "revoked_ms": key.revoked_ms,
    }
