"""`homa apply`: this process's limits, models, prices, budgets, tenants and schedules become the fleet's."""

from __future__ import annotations

import click

from homa.cli.context import say, session
from homa.cli.doctor.orphaned_queues import Stranded, stranded
from homa.cli.documents.settings import AppliedDocument, ChangeDocument
from homa.cli.exit_status import STUCK, Stopped
from homa.cli.output import json_option, print_json
from homa.client.applied_schedules import apply_schedules, compared_schedules
from homa.client.session import Session
from homa.client.template_flows import changed, put_all
from homa_shared.calls.prompt_templates import Template
from homa_shared.model.errors import ConfigError, InvalidRequest
from homa_shared.settings.changes import Change, diff
from homa_shared.settings.fleet import Fleet
from homa_shared.store.audit_trail import audited
from homa_shared.store.join import require_keys
from homa_shared.store.transitions.fleet import read_fleet, write_fleet

_SCHEDULES = {
    "made": "schedule {name} is made",
    "changed": "schedule {name} changes",
    "paused": "schedule {name} pauses",
    "resumed": "schedule {name} goes on",
    "deleted": "schedule {name} is deleted",
    "gone": "schedule {name} is not in homa.toml any more and goes on: --delete-schedules deletes it",
    "past": "schedule {name} is not made: its moment is past",
}
#: How often somebody else may write in between.
_TRIES = 5


@click.command("apply")
@click.option("--diff", "look_only", is_flag=True, help="Only show what would change.")
@click.option("--force", is_flag=True, help="Apply even where jobs wait for a pool or provider that would be removed.")
@click.option("--delete-schedules", is_flag=True, help="Delete schedules that homa.toml had and has no more.")
@json_option(AppliedDocument)
def command(look_only: bool, force: bool, delete_schedules: bool, as_json: bool) -> None:
    """Write limits, models, prices, budgets and tenants of homa.toml to the store; workers follow within seconds.

    Templates of homa.toml are stored, another text as the next version of its name.
    Schedules of homa.toml are made, changed, paused and resumed; one that it no longer has is told and goes on.
    Keys stay where they are: the store never gets one. Refused while jobs wait for a pool or a provider that these
    settings no longer have, since nobody would ever take them.
    """
    with session(drift_told=False) as here:
        mine = here.settings.fleet()
        templates = _templates(here)
        theirs = here.store.run(read_fleet(here.keys))
        _require_providers(mine, theirs)
        require_keys(mine, here.keys)
        changes = diff(theirs or Fleet(), mine)
        version = theirs.version if theirs else 0
        changed_templates = here.driver.run(changed(here.keys, templates))
        write = not look_only and (bool(changes) or theirs is None)
        left = stranded(here, mine, theirs)
        # Tables that are wrong, and jobs that would be left behind, are told before anything is written.
        schedules = here.driver.run(compared_schedules(here.submitter, here.settings.schedules))
        if write:
            _require_nobody_left(left, force=force)
        if changed_templates and not look_only:
            # Before the schedules, which may ask by them.
            changed_templates = here.driver.run(put_all(here.keys, templates))
        if write:
            version, changes = _write(here, mine)
        if not look_only:
            applying = apply_schedules(here.submitter, here.settings.schedules, delete=delete_schedules)
            schedules = here.driver.run(applying)
    for one in left:
        say(f"warning: {one}: nobody will take them; {one.way_out}")
    if as_json:
        told: AppliedDocument = {
            "version": version,
            "applied": write,
            "changes": [_document(change) for change in changes],
            "templates": [template.ref if template.version else template.name for template in changed_templates],
            "schedules": [{"name": change.name, "action": change.action} for change in schedules],
            "stranded": [{"queue": one.queue, "jobs": one.jobs} for one in left],
        }
        print_json(told)
        return
    for change in changes:
        click.echo(str(change))
    for template in changed_templates:
        click.echo(f"template {template.ref}" if template.version else f"template {template.name}: a new version")
    for schedule in schedules:
        click.echo(_SCHEDULES[schedule.action].format(name=schedule.name))
    say(_verdict(write, look_only, len(changes), version))


def _templates(here: Session) -> dict[str, Template]:
    """Prompt templates of the settings.

    Raises:
        ConfigError: one is wrong.
    """
    found: dict[str, Template] = {}
    for name, given in here.settings.templates.items():
        try:
            found[name] = Template.checked(name, given.prompt, given.system, given.variables)
        except InvalidRequest as error:
            raise ConfigError(f"templates.{name} ({here.settings.origin(('templates', name))}): {error}") from None
    return found


def _write(here: Session, mine: Fleet) -> tuple[int, list[Change]]:
    """Writes the settings over whatever stands there; returns the version written and what it changed."""
    for _ in range(_TRIES):
        theirs = here.store.run(read_fleet(here.keys))
        seen = theirs.version if theirs else 0
        changes = diff(theirs or Fleet(), mine)
        names = [change.name for change in changes]
        writing = audited(
            write_fleet(here.keys, mine, seen=seen), "fleet.applied", f"version {seen + 1}", changed=names
        )
        if here.store.run(writing) == seen + 1:
            return seen + 1, changes
    say(f"others write the fleet's settings at the same time: gave up after {_TRIES} tries; apply again")
    raise Stopped(STUCK)


def _require_providers(mine: Fleet, theirs: Fleet | None) -> None:
    """A machine that only submits jobs knows no provider; its settings would take away everybody's."""
    if theirs is not None and theirs.providers and not mine.providers:
        names = ", ".join(sorted(theirs.providers))
        raise ConfigError(
            f"no provider is configured here, and the fleet has {names}: applying would remove them; "
            "expected [providers.<name>] in homa.toml, or apply on a machine that has them"
        )


def _require_nobody_left(left: list[Stranded], *, force: bool) -> None:
    if left and not force:
        found = "; ".join(map(str, left))
        raise ConfigError(
            f"these settings would leave jobs behind: {found}; expected what they wait for to stay in homa.toml until "
            f"they have ended (`homa jobs cancel --queue {left[0].queue}` ends them); --force applies all the same"
        )


def _verdict(written: bool, look_only: bool, changes: int, version: int) -> str:
    if written:
        return f"the fleet's settings are now version {version}"
    if look_only and changes:
        return f"{changes} changes against version {version}; `homa apply` writes them"
    return f"nothing to change: the fleet's settings are version {version}"


def _document(change: Change) -> ChangeDocument:
    return {"name": change.name, "old": change.old, "new": change.new}
