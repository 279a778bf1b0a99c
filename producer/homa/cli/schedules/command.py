"""`homa schedules`: create, list, show, pause, resume, run, backfill, redeliver, delete."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from homa.cli.context import say, session, submitting_session
from homa.cli.documents.schedules import (
    BackfillDocument,
    ListedScheduleDocument,
    MadeScheduleDocument,
    RedeliveredDocument,
    SchedulesDocument,
    ShownScheduleDocument,
    StartedRunDocument,
)
from homa.cli.exit_status import SOME_FAILED, Stopped
from homa.cli.job_flags import JobFlags, job_options
from homa.cli.option_types import seconds, value_option
from homa.cli.output import json_option, print_facts, print_json, print_table
from homa.cli.schedules.words import (
    SHOWN,
    budget_of,
    delivery_document,
    delivery_row,
    forecast_document,
    forecast_words,
    late_ms,
    moment_of,
    needs_look,
    run_document,
    run_row,
    schedule_document,
    schedule_facts,
    schedule_row,
)
from homa.client.management.workers import workers
from homa.client.planned_runs import plan_run
from homa.client.schedule_flows import WINDOW, ScheduleFlows, all_schedules
from homa.client.schedule_making import ScheduleTimes, make_batch_schedule, make_schedule
from homa.drivers.effects import Flow
from homa.submit.option_row import Command
from homa.submit.schedule_definition import Policies
from homa.submit.submitter import Submitter
from homa_shared.calls.prompt_templates import AsTexts
from homa_shared.model.errors import InvalidRequest
from homa_shared.store import reads

_flags = JobFlags(Command.ASK, optional={"model"})


@click.group("schedules")
def command() -> None:
    """Make, list, show, pause, resume, run, backfill, redeliver or delete schedules."""


@command.command()
@click.argument("name")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- run ARGS...]")
@click.option("--cron", metavar="LINE", help='Five fields, such as "0 7 * * 1-5".')
@click.option("--every", "every_s", metavar="TIME", callback=seconds, help="At an interval, such as 15m.")
@click.option("--at", metavar="MOMENT", help="Once, such as 2027-01-31T07:00 (in --tz).")
@click.option("--tz", metavar="ZONE", default="UTC", show_default=True, help="IANA zone.")
@click.option("--prompt", metavar="TEXT|@FILE", help="{{tick}}, {{since}}, {{until}} are moments.")
@_flags("model", "fallbacks", "template")
@value_option
@_flags("system", "max_tokens", "schema", "temperature", "tags", "tenant", "lane")
@click.option("--missed", type=click.Choice(["once", "skip", "all"]), default="once", show_default=True)
@click.option("--overlap", type=click.Choice(["skip", "queue", "cancel", "allow"]), default="skip", show_default=True)
@click.option("--jitter", "jitter_s", metavar="TIME", callback=seconds, help="Start up to so long behind each tick.")
@click.option("--budget", metavar="USD/PERIOD", help="Most that its runs may cost a day, month or in total.")
@click.option("--pause-after", type=click.IntRange(0), default=10, show_default=True, help="Failed runs in a row.")
@click.option(
    "--deliver",
    multiple=True,
    metavar="URL|DIR/|mailto:ADDRESS",
    help="Where what each run comes to goes: a webhook, a directory or bucket, mail; repeatable.",
)
@click.option("--replace", is_flag=True, help="Change a schedule of this name.")
@json_option(MadeScheduleDocument)
def create(**options: Any) -> None:
    """Make a schedule. Making it again in the same way changes nothing.

    A request (--prompt or --template, with --model), or behind -- the command `run` with its inputs and options: each
    tick then makes a batch of what the inputs are at that time.
    """
    cap, period = budget_of(options["budget"])
    policies = Policies.checked(
        options["missed"],
        options["overlap"],
        options["jitter_s"] or 0,
        cap,
        period,
        options["pause_after"],
        options["deliver"],
        options["tz"],
    )
    at = moment_of("--at", options["at"], options["tz"])
    times = ScheduleTimes(options["cron"], options["every_s"], at, options["tz"])
    name = options["name"]
    with submitting_session() as here:
        here.driver.run(_making(here.submitter, times, policies, options))
        flows = ScheduleFlows(here.keys, name)
        view, ticks = here.driver.run(flows.view()), here.driver.run(flows.next_ticks(1))
        is_served = any(row.live for row in here.driver.run(workers(here.keys)))
    if not is_served:
        say("warning: no worker is alive, and workers fire ticks: start one with `homa worker`")
    if options["as_json"]:
        print_json(MadeScheduleDocument(**schedule_document(view), next_ticks=[tick.isoformat() for tick in ticks]))
        return
    say(f"schedule {name}: next tick {ticks[0].isoformat() if ticks else 'none'}")


def _making(submitter: Submitter, times: ScheduleTimes, policies: Policies, options: Mapping[str, Any]) -> Flow[str]:
    """What makes the schedule that the command line describes."""
    name, replace = options["name"], options["replace"]
    said = {name: options.get(name) for name in _ask_options()}
    given = {name: value for name, value in job_options(Command.ASK, said).items() if value not in (None, {}, ())}
    if not options["arguments"]:
        if options["model"] is None:
            raise InvalidRequest("--model is missing: expected provider:model or an alias, or `-- run ARGS`")
        return make_schedule(submitter, name, _request(options), times, policies, given, replace=replace)
    command_name, *arguments = options["arguments"]
    if command_name != "run":
        raise InvalidRequest(f"-- {command_name!r:.80}: expected `-- run` and its inputs and options")
    source, said_here = click.core.ParameterSource.COMMANDLINE, click.get_current_context().get_parameter_source
    if beside := [name for name in ("prompt", "values", *said) if said_here(name) is source]:
        raise InvalidRequest(f"--{beside[0].replace('_', '-')} before `-- run`: expected it behind it")
    return make_batch_schedule(submitter, name, plan_run(arguments), times, policies, replace=replace)


def _request(options: Mapping[str, Any]) -> str | dict[str, Any]:
    """The request's text: --prompt, or values of --template."""
    from homa.files import read_argument

    if (options["prompt"] is None) == (options["template"] is None):
        raise InvalidRequest("--prompt, --template, `-- run ARGS`: expected one of the three")
    if options["prompt"] is None:
        return {"values": AsTexts(options["values"] or {})}
    if options["values"]:
        raise InvalidRequest("--value without --template: expected both, or neither")
    return read_argument(options["prompt"], "--prompt")


def _ask_options() -> list[str]:
    from homa.submit.job_options import rows

    return [name for name, row in rows().items() if row.flag is not None and Command.ASK in row.flag.commands]


@command.command("list")
@json_option(SchedulesDocument)
def list_(as_json: bool) -> None:
    """List schedules. Exit status 1 where one needs a look."""
    with session() as here:
        found = here.driver.run(all_schedules(here.keys))
        now_ms = here.store.run(reads.server_time(here.keys))
    if as_json:
        told = [ListedScheduleDocument(**schedule_document(view), late_ms=late_ms(view, now_ms)) for view in found]
        print_json(SchedulesDocument(schedules=told))
    else:
        print_table(
            ("SCHEDULE", "WHEN", "NEXT", "FIRED", "FAILED", "ALARM"),
            [schedule_row(view, now_ms) for view in found],
            right={"FIRED", "FAILED"},
            wraps={"WHEN", "ALARM"},
            empty="no schedule is made: homa schedules create NAME --cron LINE --prompt TEXT --model P:M",
        )
    if any(needs_look(view, now_ms) for view in found):
        raise Stopped(SOME_FAILED)


@command.command()
@click.argument("name")
@click.option("--next", "count", type=click.IntRange(1, 1000), default=5, show_default=True, help="Ticks to come.")
@json_option(ShownScheduleDocument)
def show(name: str, count: int, as_json: bool) -> None:
    """Show a schedule: next ticks, latest runs and deliveries, alarm. Exit status 1 where it needs a look."""
    with session() as here:
        flows = ScheduleFlows(here.keys, name)
        view = here.driver.run(flows.view())
        ticks, runs = here.driver.run(flows.next_ticks(count)), here.driver.run(flows.history())
        sent = here.driver.run(flows.deliveries())
        now_ms = here.store.run(reads.server_time(here.keys))
    if as_json:
        told: ShownScheduleDocument = {
            **schedule_document(view),
            "next_ticks": [tick.isoformat() for tick in ticks],
            "late_ms": late_ms(view, now_ms),
            "runs": list(map(run_document, runs)),
            "deliveries": list(map(delivery_document, sent)),
        }
        print_json(told)
    else:
        print_facts(schedule_facts(view, ticks, now_ms))
        print_table(("TICK", "STATE", "BY", "COST", "JOB"), map(run_row, runs), right={"COST"}, wraps={"JOB"})
        if sent:
            header = ("TICK", "DELIVERY", "TRIES", "TO")
            print_table(header, [delivery_row(one, now_ms) for one in sent[-SHOWN:]], right={"TRIES"}, wraps={"TO"})
    if needs_look(view, now_ms):
        raise Stopped(SOME_FAILED)


@command.command()
@click.argument("name")
@click.option("--why", default="", metavar="TEXT", help="Shown with the schedule.")
def pause(name: str, why: str) -> None:
    """Fire no further tick; what comes meanwhile is not made up for."""
    with session() as here:
        here.driver.run(ScheduleFlows(here.keys, name).pause(why))
    say(f"schedule {name} is paused")


@command.command()
@click.argument("name")
def resume(name: str) -> None:
    """Fire again, from the next tick on; a standing alarm is taken as seen."""
    with session() as here:
        flows = ScheduleFlows(here.keys, name)
        here.driver.run(flows.resume())
        ticks = here.driver.run(flows.next_ticks(1))
    say(f"schedule {name}: next tick {ticks[0].isoformat() if ticks else 'none'}")


@command.command()
@click.argument("name")
@json_option(StartedRunDocument)
def run(name: str, as_json: bool) -> None:
    """Run a schedule's work now, beside its ticks."""
    with session() as here:
        flows = ScheduleFlows(here.keys, name)
        view, job = here.driver.run(flows.view()), here.driver.run(flows.run())
    if as_json:
        print_json(
            StartedRunDocument(schedule=name, batch=job) if view.fills else StartedRunDocument(schedule=name, job=job)
        )
        return
    click.echo(job)


@command.command()
@click.argument("name")
@click.option("--since", required=True, metavar="MOMENT", help="Ticks from here on, such as 2026-01-01.")
@click.option("--until", required=True, metavar="MOMENT", help="Ticks before this.")
@click.option("--budget", "budget_usd", metavar="USD", help="Most that all of its runs may cost.")
@click.option("--window", type=click.IntRange(1), default=WINDOW, show_default=True, help="Most runs at once.")
@json_option(BackfillDocument)
def backfill(name: str, since: str, until: str, budget_usd: str | None, window: int, as_json: bool) -> None:
    """Run a schedule for ticks of the past that had no run, as a batch. Moments are in the schedule's zone."""
    from homa_shared.schedules.timing import read_timing

    with session() as here:
        flows = ScheduleFlows(here.keys, name)
        zone = read_timing(here.driver.run(flows.view()).timing).zone
        begin, end = _required("--since", since, zone), _required("--until", until, zone)
        forecast = here.driver.run(flows.forecast(begin, end))
        batch = here.driver.run(flows.backfill(begin, end, budget_usd, window))
    if as_json:
        print_json(BackfillDocument(schedule=name, batch=batch, **forecast_document(forecast)))
        return
    say(f"{forecast_words(forecast)}; ticks that had their run are passed over")
    say(f"batch {batch}: homa batches watch {batch}")


def _required(option: str, text: str, zone: str) -> datetime:
    found = moment_of(option, text, zone)
    if found is None:
        raise InvalidRequest(f"{option} is empty: expected a moment such as 2026-01-31 or 2026-01-31T07:00")
    return found


@command.command()
@click.argument("name")
@click.option("--tick", metavar="MOMENT", help="Those of this tick alone, as `show` tells it, in the schedule's zone.")
@json_option(RedeliveredDocument)
def redeliver(name: str, tick: str | None, as_json: bool) -> None:
    """Try deliveries that failed again, for another day."""
    from homa_shared.schedules.timing import read_timing

    with session() as here:
        flows = ScheduleFlows(here.keys, name)
        zone = read_timing(here.driver.run(flows.view()).timing).zone
        done = here.driver.run(flows.redeliver(moment_of("--tick", tick, zone)))
    if as_json:
        print_json(RedeliveredDocument(schedule=name, again=done.again, gone=done.gone))
        return
    gone = f"; of {done.gone} more the store has nothing to send any more" if done.gone else ""
    say(f"schedule {name}: {done.again} {'delivery is' if done.again == 1 else 'deliveries are'} tried again{gone}")


@command.command()
@click.argument("name")
def delete(name: str) -> None:
    """Forget a schedule and its history. Runs that go on do so."""
    with session() as here:
        here.driver.run(ScheduleFlows(here.keys, name).delete())
    say(f"schedule {name} is deleted")
