"""`homa doctor`: would work be lost here, or stall?"""

from __future__ import annotations

import click

from homa.cli.context import say
from homa.cli.doctor.check import Check
from homa.cli.doctor.checks import checks
from homa.cli.documents.settings import CheckDocument, DoctorDocument
from homa.cli.exit_status import SOME_FAILED, Stopped
from homa.cli.output import json_option, print_json, print_table
from homa_shared.store.safety_checks import Level

_MARKS = {Level.OK: "ok", Level.WARNING: "warning", Level.ERROR: "ERROR"}


@click.command("doctor")
@click.option("--deep", is_flag=True, help="Also audit the store: each live job in one index, every counter right.")
@json_option(DoctorDocument)
def command(deep: bool, as_json: bool) -> None:
    """Check settings, keys, adapters, models, store, clock, reach, drift, workers; status 1 if work would be lost.

    Providers are only connected to: nothing is called, nothing is paid.
    """
    from homa_shared.settings.model import load_settings

    found = list(checks(load_settings(), deep=deep))
    bad = [check for check in found if check.level is Level.ERROR]
    if as_json:
        print_json(DoctorDocument(ok=not bad, checks=[_document(check) for check in found]))
    else:
        print_table(("", "CHECK", "FOUND"), map(_row, found), wraps={"FOUND"})
        warnings = sum(check.level is Level.WARNING for check in found)
        say(f"{len(bad)} errors, {warnings} warnings")
    if bad:
        raise Stopped(SOME_FAILED)


def _row(check: Check) -> tuple[str, str, str]:
    # In one cell: in a terminal of 80 columns a further one would leave none of them room.
    found = "\n".join(filter(None, (check.value, check.what_to_do)))
    return _MARKS[check.level], check.name, found


def _document(check: Check) -> CheckDocument:
    return {"level": check.level, "check": check.name, "value": check.value, "what_to_do": check.what_to_do}
