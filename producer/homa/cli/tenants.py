"""`homa tenants`: what is kept of a tenant is erased."""

from __future__ import annotations

import click

from homa.cli.context import say, session
from homa.cli.documents.access import ErasureDocument
from homa.cli.exit_status import STUCK, Stopped
from homa.cli.output import json_option, moment, number, print_facts, print_json
from homa.client.management.erasure import Erasure, Receipt, told_counts
from homa.submit.option_checks import check_tenant
from homa_shared.model.errors import InvalidRequest


@click.group("tenants")
def command() -> None:
    """Erase what is kept of a tenant."""


@command.command("erase")
@click.argument("tenant")
@click.option("--dry-run", is_flag=True, help="Only count what is there.")
@click.option(
    "--wait",
    "patience_s",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds to wait for running jobs, which are cancelled, to end.",
)
@json_option(ErasureDocument)
def erase(tenant: str, dry_run: bool, patience_s: float, as_json: bool) -> None:
    """Erase a tenant's jobs, batches, conversations, schedules, streams, events and cached replies; revoke its keys.

    Live jobs are cancelled first. Lines and sums of the ledger stay, which hold no content; so do records without
    content of jobs whose cost is unresolved. Cached vectors of all tenants go, since they do not tell whose they are.
    Broken off, it is done again from the start: exit status 3 where jobs still run.
    """
    if not tenant:
        # What nobody's name stands on is everybody's who named no tenant.
        raise InvalidRequest("tenant is empty: expected the name of a tenant")
    with session() as here:
        work = Erasure(here.keys, check_tenant("tenant", tenant), look_only=dry_run, patience_s=patience_s)
        receipt = here.driver.run(work.erase())
    _tell(receipt, dry_run=dry_run, as_json=as_json)
    if receipt.running:
        say(f"{number(receipt.running)} jobs still run, and are cancelled: erase again once they have ended")
        raise Stopped(STUCK)


def _tell(receipt: Receipt, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json({"dry_run": True, **receipt.document} if dry_run else {**receipt.document, "digest": receipt.digest})
        return
    counts = told_counts(receipt)
    facts = [(kind.replace("_", " "), number(count)) for kind, count in counts.items()]
    if receipt.kept:
        facts.append(("kept without content, cost unresolved", number(len(receipt.kept))))
    if not facts:
        say(f"nothing is kept of tenant {receipt.tenant!r}")
    print_facts([*facts, ("at", moment(receipt.at_ms)), *([] if dry_run else [("receipt", receipt.digest)])])
    if dry_run:
        say("a dry run: nothing was changed")
