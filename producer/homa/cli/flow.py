"""`homa flow`: runs of flows listed, shown as text and SVG, answered, cancelled, paused and resumed."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from homa.cli.context import say, session
from homa.cli.documents.batches import (
    FlowFileDocument,
    FlowQuestionDocument,
    FlowRunDocument,
    FlowRunsDocument,
    FlowStepDocument,
    ShownFlowRunDocument,
)
from homa.cli.exit_status import SOME_FAILED, Stopped
from homa.cli.output import age, dollars, json_option, number, print_json, print_table, span, usd_or_null
from homa.client.management.wording import shortened
from homa_shared.model.errors import InvalidRequest

if TYPE_CHECKING:
    from homa.client.flows.listing import RunInfo
    from homa.client.flows.outcomes import FlowProgress, StepProgress
    from homa.client.flows.waits import Question

#: Most questions of a run that are listed, and that are shown.
_MOST_QUESTIONS, _SHOWN_QUESTIONS = 1000, 20


@click.group("flow")
def command() -> None:
    """List, show, answer, pause, resume or cancel runs of flows."""


@command.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Most runs to list.")
@json_option(FlowRunsDocument)
def list_(limit: int, as_json: bool) -> None:
    """List runs, newest first."""
    from homa.client.flows.listing import runs
    from homa_shared.store import reads

    with session() as here:
        found: list[RunInfo] = list(here.driver.iterate(runs(here.keys, limit)))
        now_ms = here.store.run(reads.server_time(here.keys))
    if as_json:
        print_json(FlowRunsDocument(runs=[_row(run) for run in found]))
        return
    print_table(
        ("RUN", "FLOW", "STATE", "JOBS", "DONE", "FAILED", "COST", "AGE"),
        (
            (
                run.batch.id,
                run.flow,
                run.batch.state_words(why=False),
                number(run.batch.submitted),
                number(run.batch.succeeded),
                number(run.batch.ended - run.batch.succeeded) if run.batch.ended > run.batch.succeeded else "",
                dollars(run.batch.cost_usd),
                age(run.batch.created_at, now_ms),
            )
            for run in found
        ),
        right={"JOBS", "DONE", "FAILED", "COST", "AGE"},
        empty="the store holds no run of a flow",
    )


@command.command()
@click.argument("run", metavar="RUN|FILE")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Also draw it there.")
@json_option(ShownFlowRunDocument, FlowFileDocument)
def show(run: str, svg: Path | None, as_json: bool) -> None:
    """Show a run by step, or a flow's file, as a graph."""
    if Path(run).suffix == ".toml":
        _show_file(Path(run), svg, as_json=as_json)
        return
    from homa.client.flows.run_flows import RunFlows
    from homa_shared.store import reads

    with session() as here:
        flows = RunFlows(here.keys, run)
        view, progress = here.driver.run(flows.view()), here.driver.run(flows.progress())
        asked: list[Question] = list(islice(here.driver.iterate(flows.questions()), _MOST_QUESTIONS))
        now_ms = here.store.run(reads.server_time(here.keys))
    definition = orjson.loads(view.definition)
    remarks = {"inputs": number(progress.inputs)} | {name: _words(step) for name, step in progress.steps.items()}
    if as_json:
        print_json(_document(run, view.name, progress, definition, asked))
    else:
        why = f" ({progress.cancelled_why})" if progress.cancelled_why else ""
        state = f"cancelled{why}" if progress.cancelled else progress.state
        paused = f", paused ({progress.paused})" if progress.paused else ""
        unresolved = f", up to {dollars(progress.unresolved_usd)} unresolved" if progress.unresolved_nano_usd else ""
        click.echo(f"{view.name}  {run}: {state}{paused}, {dollars(progress.cost_usd)}{unresolved}")
    _draw(definition, remarks, svg, as_text=not as_json)
    if asked and not as_json:
        _print_questions(asked, now_ms)


@command.command()
@click.argument("token")
@click.option("--json", "as_json", metavar="JSON", help="The answer as JSON; - reads it from standard input.")
@click.option("--text", help="The answer as text.")
def answer(token: str, as_json: str | None, text: str | None) -> None:
    """Answer a step that waits, by its token."""
    from homa.client.flows.waits import answer_by_token

    said = _answer_of(as_json, text)
    with session() as here:
        job = here.driver.run(answer_by_token(here.keys, token, said))
    say(f"answered: run {job.rpartition('-')[0]} goes on")


@command.command()
@click.argument("run")
def cancel(run: str) -> None:
    """End what has not ended; calls in flight are called off."""
    _change(run, "cancel")
    say(f"run {run} is cancelled")


@command.command()
@click.argument("run")
def pause(run: str) -> None:
    """Begin no further call; those in flight finish."""
    _change(run, "pause")
    say(f"run {run} is paused: go on with `homa flow resume {run}`")


@command.command()
@click.argument("run")
def resume(run: str) -> None:
    """Go on with a run that is paused, or that an interrupted command has left."""
    progress = _change(run, "resume")
    if progress.state == "open":
        say(
            f"run {run} still takes inputs, {number(progress.inputs)} so far: the command that began it goes on "
            "behind them when it is given again"
        )
        raise Stopped(SOME_FAILED)
    say(f"run {run} goes on")


def _answer_of(as_json: str | None, text: str | None) -> Any:
    if (as_json is None) == (text is None):
        raise InvalidRequest("an answer is one of --json and --text: give one of them")
    if as_json is None:
        return text
    try:
        return orjson.loads(sys.stdin.read() if as_json == "-" else as_json)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"--json is {as_json!r:.80}: {error}; expected JSON, or --text for a text") from None


def _print_questions(asked: list[Question], now_ms: int) -> None:
    shown = asked[:_SHOWN_QUESTIONS]
    click.echo()
    print_table(
        ("TOKEN", "STEP", "ITEM", "LEFT", "QUESTION"),
        ((each.token, each.step, each.item, _left(each, now_ms), shortened(each.text)) for each in shown),
        right={"LEFT"},
    )
    if len(asked) > len(shown):
        more = f"{number(len(asked) - len(shown))}{'+' if len(asked) == _MOST_QUESTIONS else ''}"
        say(f"{more} more wait for an answer: --json lists them")


def _left(question: Question, now_ms: int) -> str:
    return span(max(0, round(question.expires_at.timestamp() * 1000) - now_ms))


def _change(run: str, order: str) -> FlowProgress:
    from homa.client.flows.run_flows import RunFlows

    with session() as here:
        flows = RunFlows(here.keys, run)
        here.driver.run(flows.view())
        orders = {"cancel": flows.batch.cancel, "resume": flows.batch.resume}
        here.driver.run(flows.batch.pause("homa flow pause") if order == "pause" else orders[order]())
        return here.driver.run(flows.progress())


def _show_file(path: Path, svg: Path | None, *, as_json: bool) -> None:
    from homa.flows.compiling import definition_of
    from homa.flows.toml import read_flow

    definition = orjson.loads(definition_of(read_flow(path)))
    if as_json:
        print_json(definition)
    else:
        click.echo(f"{definition['name']}  {path}")
    _draw(definition, {}, svg, as_text=not as_json)


def _draw(definition: dict[str, Any], remarks: dict[str, str], svg: Path | None, *, as_text: bool) -> None:
    from homa.flows.drawing import as_svg
    from homa.flows.drawing import as_text as drawn

    steps = {step["name"]: step for step in definition["steps"]}
    if as_text:
        for line in drawn(steps, remarks):
            click.echo(line)
    if svg is not None:
        svg.write_text(as_svg(steps, remarks), encoding="utf-8")
        say(f"drawn to {svg}")


def _words(step: StepProgress) -> str:
    if step.passed and not step.made:
        return f"{number(step.passed)} passed" + (f", {number(step.absent)} not" if step.absent else "")
    said = f"{number(step.succeeded)} of {number(step.made)} done"
    lost = step.failed + step.cancelled + step.expired
    lost_words = f", {number(lost)} failed" if lost else ""
    return said + lost_words + (f", {number(step.absent)} not done" if step.absent else "")


def _row(run: RunInfo) -> FlowRunDocument:
    batch = run.batch
    return {
        "run": batch.id,
        "flow": run.flow,
        "state": batch.state,
        "jobs": batch.submitted,
        "succeeded": batch.succeeded,
        "failed": batch.failed,
        "cancelled": batch.cancelled,
        "expired": batch.expired,
        "cost_usd": usd_or_null(batch.cost_usd),
    }


def _document(
    run: str, name: str, progress: FlowProgress, definition: dict[str, Any], asked: list[Question]
) -> ShownFlowRunDocument:
    return {
        "run": run,
        "flow": name,
        "state": progress.state,
        "cancelled": progress.cancelled,
        "cancelled_why": progress.cancelled_why or None,
        "paused": progress.paused,
        "inputs": progress.inputs,
        "cost_usd": usd_or_null(progress.cost_usd),
        "unresolved_usd": usd_or_null(progress.unresolved_usd),
        "steps": {each: _step(step) for each, step in progress.steps.items()},
        "questions": [_question(each) for each in asked],
        "definition": definition,
    }


def _step(step: StepProgress) -> FlowStepDocument:
    return {
        "made": step.made,
        "succeeded": step.succeeded,
        "failed": step.failed,
        "cancelled": step.cancelled,
        "expired": step.expired,
        "absent": step.absent,
        "passed": step.passed,
    }


def _question(asked: Question) -> FlowQuestionDocument:
    return {
        "token": asked.token,
        "step": asked.step,
        "item": asked.item,
        "text": asked.text,
        "schema": None if asked.schema is None else dict(asked.schema),
        "expires_ms": round(asked.expires_at.timestamp() * 1000),
        "job": asked.job_id,
    }
