"""`homa webhooks`: what became of telling URLs of the ends of jobs and batches."""

from __future__ import annotations

import click

from homa.cli.context import say, session
from homa.cli.documents.events import WebhookDocument, WebhooksDocument
from homa.cli.output import json_option, moment, number, print_json, print_table
from homa_shared.model.errors import InvalidRequest
from homa_shared.store.reads.webhooks import Webhook, webhook_tenants, webhooks
from homa_shared.store.transitions.deliveries import redeliver

_STATES = ("waiting", "delivered", "failed", "cancelled")


@click.group("webhooks")
def command() -> None:
    """List webhooks of jobs and batches, or send failed ones again."""


@command.command("list")
@click.option("--tenant", help="Of this tenant's jobs and batches alone.")
@click.option("--state", type=click.Choice(_STATES), help="In this state alone.")
@json_option(WebhooksDocument)
def list_webhooks(tenant: str | None, state: str | None, as_json: bool) -> None:
    """List the latest webhooks of each tenant: what they told of, and whether they arrived."""
    with session() as here:
        tenants = here.store.run(webhook_tenants(here.keys)) if tenant is None else [tenant]
        found = [hook for name in tenants for hook in here.store.run(webhooks(here.keys, name))]
    shown = [hook for hook in found if state in (None, hook.state)]
    if as_json:
        print_json(WebhooksDocument(webhooks=[_document(hook) for hook in shown]))
        return
    print_table(_HEADERS, map(_row, shown), right={"TRIES"}, wraps={"ERROR"}, empty="no webhook was sent")


@command.command("replay")
@click.argument("ids", nargs=-1)
@click.option("--failed", is_flag=True, help="All that failed.")
@click.option("--tenant", help="Of this tenant's jobs and batches alone.")
def replay(ids: tuple[str, ...], failed: bool, tenant: str | None) -> None:
    """Send failed webhooks again, for another day: some by their ids, or all.

    Receivers know them by the id of before.
    """
    if bool(ids) == failed:
        raise click.UsageError("expected ids of webhooks, or --failed")
    again = gone = 0
    with session() as here:
        tenants = here.store.run(webhook_tenants(here.keys)) if tenant is None else [tenant]
        known = {hook.id: hook for name in tenants for hook in here.store.run(webhooks(here.keys, name))}
        for hook_id in ids:
            _require_failed(hook_id, known.get(hook_id))
        wanted = [(known[hook_id].tenant, hook_id) for hook_id in ids] or [(name, "") for name in tenants]
        for name, hook_id in wanted:
            done = here.store.run(redeliver(here.keys, f"@{name}", None, hook_id))
            again, gone = again + (done.again if done else 0), gone + (done.gone if done else 0)
    say(f"{number(again)} sent again" + (f"; of {number(gone)} nothing is kept that could be sent" if gone else ""))


def _require_failed(hook_id: str, hook: Webhook | None) -> None:
    if hook is None:
        raise InvalidRequest(f"no webhook {hook_id!r:.80}: `homa webhooks list` shows the latest")
    if hook.state != "failed":
        raise InvalidRequest(f"webhook {hook_id} is {hook.state}: expected one that failed")


_HEADERS = ("ID", "TENANT", "TOLD OF", "END", "TO", "STATE", "TRIES", "AT", "NEXT", "ERROR")


def _row(hook: Webhook) -> tuple[str, ...]:
    following = "" if hook.next_ms is None or hook.state != "waiting" else moment(hook.next_ms)
    told_of = f"{hook.about} {hook.of}"
    tries, at = number(hook.tries), moment(hook.asked_ms)
    return (hook.id, hook.tenant, told_of, hook.came, hook.target, hook.state, tries, at, following, hook.error)


def _document(hook: Webhook) -> WebhookDocument:
    told: WebhookDocument = {
        "id": hook.id,
        "tenant": hook.tenant,
        "event": f"{hook.about}.{hook.came}",
        "target": hook.target,
        "state": hook.state,
        "tries": hook.tries,
        "error": hook.error or None,
        "asked_ms": hook.asked_ms,
        "next_ms": hook.next_ms,
        "ended_ms": hook.ended_ms,
    }
    told["job" if hook.about == "job" else "batch"] = hook.of
    return told
