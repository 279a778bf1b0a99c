"""What `homa run` does: everything is checked before anything is submitted, then the run is conducted and summed up."""

from __future__ import annotations

import contextlib
import shlex
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import orjson

from homa.batches import BatchSubmission
from homa.commands.exits import SOME_FAILED, Stopped, status_of
from homa.commands.session import Desk, desk, say
from homa.commands.values import tags_of
from homa.documents import (
    OutputFormat,
    ResultsWriter,
    Row,
    Template,
    bad_row_line,
    columns_of,
    look_ahead,
    open_output,
    output_format,
    read_argument,
)
from homa.options import check_options
from homa.planning import FleetView
from homa.running.asking import Asking
from homa.running.conduct import Run
from homa.running.earlier import abandon
from homa.running.feeding import WINDOW, Feeder
from homa.running.forecast import Forecast, Forecaster
from homa.running.intake import STDIN, Intake
from homa.running.kept_fields import KeptFields
from homa.running.order import Order
from homa.running.progress import progress as progress_of
from homa.running.progress import short_usd, span
from homa.running.runfile import RunFile, RunNote
from homa.running.staffing import AUTO, NONE, staff, unserved
from homa.running.stopping import Interruption
from homa.running.tally import MaxFailures, Tally
from homa.running.workforce import Workforce
from homa_shared.errors import HomaError, InvalidRequest
from homa_shared.ids import new_batch_id
from homa_shared.money import parse_usd, usd
from homa_shared.targets import Target

#: Own workers that finish somebody else's calls are not waited for longer than this, s.
_PARTING_S = 5.0


@dataclass(frozen=True)
class Request:
    """The options of one `homa run`."""

    options: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.options[name]
        except KeyError:
            raise AttributeError(name) from None

    @cached_property
    def template(self) -> Template:
        return Template.load(self.prompt)

    @cached_property
    def order(self) -> Order:
        return Order(
            prompt=self.template.source,
            model=self.model,
            fallbacks=tuple(self.fallbacks),
            system=None if self.system is None else read_argument(self.system, "--system"),
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            budget=self.budget,
            tags=tags_of(self.tags),
            tenant=self.tenant,
            lane=self.lane,
            deadline_s=self.deadline,
            cache=self.cache,
        )

    @cached_property
    def intake(self) -> Intake:
        return Intake(tuple(self.inputs), self.encoding, self.id_column, self.limit, self.sample, self.seed)

    @property
    def flat(self) -> bool:
        """Whether the results have columns for the rows' fields."""
        return output_format(self.output, self.form) is not OutputFormat.JSONL

    def check(self) -> None:
        """Raises InvalidRequest for options that do not go together, and for inputs that lead nowhere."""
        if self.as_json and self.output == STDIN and not self.dry_run:
            raise InvalidRequest("--json and --output - both want standard output: expected --output FILE")
        if self.detach and self.resume:
            raise InvalidRequest("--detach and --resume: the one leaves, the other collects; expected one of them")
        if self.detach and self.output == STDIN:
            raise InvalidRequest("--detach with --output -: expected a file, which --resume fills later")
        if self.detach and self.workers not in (AUTO, NONE):
            raise InvalidRequest(f"--detach with --workers {self.workers}: own workers end with this process")
        self.intake.check()
        if self.max_failures is not None:
            MaxFailures.parse(self.max_failures)


def run_batch(**options: Any) -> None:
    """Carries out `homa run`; ends with `Stopped` for every exit status but 0."""
    request = Request(options)
    request.check()
    _ = request.order
    with contextlib.closing(request.intake):
        if STDIN in request.intake.inputs:
            # Looked into before the run, and read again by it.
            request.intake.keep_stdin()
        _run(request)


def _run(request: Request) -> None:
    with desk(start=not request.dry_run) as at:
        view = at.view()
        head = _checked_head(request, view)
        targets = _targets(request, view, head)
        asking = Asking(request.template, request.model, view.fleet, request.max_tokens is not None)
        if request.dry_run:
            _dry_run(request, view, asking)
        elif request.detach:
            _detach(request, at, view, asking, head, targets)
        else:
            _attached(request, at, view, asking, head, targets)


# -- checks ----------------------------------------------------------------------------------------------------------


def _checked_head(request: Request, view: FleetView) -> list[Row]:
    """The first rows, after a look at whether the template fits them."""
    head, _ = look_ahead(request.intake.rows())
    rows = [row for row in head if isinstance(row, Row)]
    plain = [row for row in rows if row.request is None]
    if plain:
        request.template.check(columns_of(plain))
        if request.model is None:
            raise InvalidRequest("--model is missing: expected provider:model, such as openai:gpt-5-mini, or an alias")
    if not head:
        raise InvalidRequest(f"INPUT {' '.join(request.inputs)}: no row in it ({request.intake.skipped})")
    return rows


def _targets(request: Request, view: FleetView, head: Sequence[Row]) -> list[str]:
    """The targets that the run goes to, as far as its first rows tell; checked with all that applies to them."""
    asking = Asking(request.template, request.model, view.fleet)
    lines = [row.request for row in head if row.request is not None]
    models = [request.model] if request.model is not None else [asking.model_of(body) for body in lines]
    targets: dict[str, None] = {}
    for model in dict.fromkeys(models):
        arguments = {**request.order.arguments, "model": model}
        arguments.pop("system", None)
        template = view.template(check_options(arguments))
        targets.update(dict.fromkeys(template.targets))
        for target in template.targets:
            _check_price(request, view, target, template.max_tokens)
    return list(targets)


def _check_price(request: Request, view: FleetView, target: str, max_tokens: int) -> None:
    if request.budget is None:
        return
    least = view.prices.bound(Target.parse(target), 0, max_tokens)
    if least is None:
        raise InvalidRequest(
            f"--budget is given, and {target} has no known price, so that nobody could hold it: set "
            f'[prices."{target}"] in homa.toml (then `homa apply`), or leave --budget out'
        )
    if least > request.budget:
        raise InvalidRequest(
            f"--budget is ${usd(request.budget)}, and the output alone of one call of {target} may cost ${usd(least)}: "
            "lower --max-tokens or raise --budget"
        )


# -- the three ways to run --------------------------------------------------------------------------------------------


def _dry_run(request: Request, view: FleetView, asking: Asking) -> None:
    forecast = Forecaster(view, request.order, asking).of(request.intake.rows())
    if request.as_json:
        click.echo(orjson.dumps(forecast.as_json()))
        return
    click.echo("\n".join(_told(forecast, request)))


def _told(forecast: Forecast, request: Request) -> list[str]:
    first = [f"[{each['role']}]\n{_content(each['content'])}\n" for each in forecast.first_messages or []]
    rows = f"{forecast.rows} rows" + (f", {forecast.bad_rows} of them bad" if forecast.bad_rows else "")
    lines = ["First prompt:", "", *first, rows + (f" (the first: {forecast.first_bad})" if forecast.first_bad else "")]
    lines.append(f"about {forecast.input_tokens:,} tokens in, {forecast.output_tokens:,} out")
    if forecast.unpriced_rows:
        lines.append(f"cost: unpriced, since no price is known for {', '.join(forecast.unpriced_targets)}")
    else:
        expected, most = usd(forecast.expected_nano_usd), usd(forecast.most_nano_usd)
        lines.append(f"cost: about ${expected}, at most ${most} (one call a row, answers of full length)")
        if request.budget is not None:
            lines.append(f"budget: ${usd(request.budget)}")
    if forecast.minutes is None:
        lines.append("time: no limit is configured; the rate is found as it goes")
    else:
        lines.append(f"time: at least {span(forecast.minutes * 60)} at the configured limits")
    return [*lines, str(request.intake.skipped)] if request.intake.skipped.total else lines


def _content(content: Any) -> str:
    return content if isinstance(content, str) else orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()


def _detach(
    request: Request, at: Desk, view: FleetView, asking: Asking, head: Sequence[Row], targets: Sequence[str]
) -> None:
    if request.workers == AUTO and (missing := unserved(at.driver, at.keys, view, targets[:1])):
        raise InvalidRequest(
            f"--detach, but no live worker serves {missing[0]}: start `homa worker {missing[0]}`, "
            "or queue the jobs all the same with --workers none"
        )
    interruption, tally = Interruption(), Tally()
    with interruption.listening(), _opened(request, head) as writer:
        _leave_earlier(request, at)
        submission = BatchSubmission(at.submitter, request.order.batch_arguments(_name(request), 0))
        RunFile(request.output).write(RunNote(submission.id, request.order.digest))
        at.driver.run(submission.open())
        feeder = Feeder(at.driver, submission, request.intake.rows(), asking, window=None)
        interruption.on_signal = feeder.stop

        def write_bad(bad: Any) -> None:
            writer.write(bad_row_line(bad))
            tally.count_bad()

        feeder.feed(write_bad)
    if request.as_json:
        click.echo(orjson.dumps({"batch": submission.id, "total": feeder.submitted}))
    say(f"batch {submission.id}: {feeder.submitted} jobs queued, {tally.bad} inputs could not be sent")
    say(f"collect the results with: {_again(request)}")
    if not feeder.finished:
        raise Stopped(interruption.status or SOME_FAILED)
    if tally.bad:
        raise Stopped(SOME_FAILED)


def _attached(
    request: Request, at: Desk, view: FleetView, asking: Asking, head: Sequence[Row], targets: Sequence[str]
) -> None:
    providers, count = staff(request.workers, at.settings, at.driver, at.keys, view, targets)
    if not providers and request.workers == NONE and unserved(at.driver, at.keys, view, targets[:1]):
        say(f"warning: no live worker serves {targets[0]}: the run waits until one is started")
    started_s = time.monotonic()
    with contextlib.ExitStack() as stack:
        interruption = stack.enter_context(Interruption().listening())
        workforce = Workforce(at.settings, providers, count, f"run-{new_batch_id()[1:]}")
        writer = stack.enter_context(_opened(request, head))
        if not request.resume:
            _leave_earlier(request, at)
        progress = progress_of(request.progress)
        stack.callback(progress.close)
        run = Run(
            place=at.place,
            driver=at.driver,
            submitter=at.submitter,
            order=request.order,
            intake=request.intake,
            asking=asking,
            writer=writer,
            runfile=RunFile(request.output),
            workforce=workforce,
            tally=Tally(_max_failures(request), earlier=len(writer.done)),
            progress=progress,
            interruption=interruption,
            name=_name(request),
            window=WINDOW,
            kept=KeptFields() if request.flat else None,
            estimate=_estimate(request),
        )
        stack.callback(_part, run)
        try:
            run.go(resume=request.resume)
        except Stopped:
            workforce.stop_now()
            say(f"stopped at once; {_how_to_go_on(run, request)}")
            raise
        except HomaError as error:
            say(str(error))
            say(_how_to_go_on(run, request))
            raise Stopped(status_of(error)) from error
        progress.close()
        _finish(run, request, time.monotonic() - started_s)


def _finish(run: Run, request: Request, seconds: float) -> None:
    complete = run.stop is None
    run.writer.close(finished=complete)
    if complete and not run.tally.unsuccessful:
        run.runfile.remove()
    summary = run.summary(seconds, request.output)
    if run.stop is not None:
        say(run.stop.why)
    say(_in_words(summary, run))
    if run.writer.left_out:
        say(f"no column for {', '.join(sorted(run.writer.left_out))}: not among those of the first rows")
    if request.intake.skipped.total:
        say(str(request.intake.skipped))
    if run.tally.over_budget:
        say(f"the budget left no room for {run.tally.over_budget} jobs: raise --budget, and resume")
    if run.status:
        say(_how_to_go_on(run, request))
    if request.as_json:
        click.echo(orjson.dumps(summary))
    if run.status:
        raise Stopped(run.status)


def _in_words(summary: dict[str, Any], run: Run) -> str:
    counts = [f"{summary['succeeded']} succeeded"]
    counts += [f"{summary[name]} {name}" for name in ("failed", "cancelled", "expired") if summary[name]]
    missing = summary["total"] - run.tally.ended
    counts += [f"{missing} not done"] if missing > 0 else []
    cost = f"${short_usd(parse_usd(summary['cost_usd']))}"
    if summary["unresolved_usd"] != usd(0):
        cost += f" and at most ${short_usd(parse_usd(summary['unresolved_usd']))} unresolved"
    if summary["unpriced_jobs"]:
        cost += f", {summary['unpriced_jobs']} calls unpriced"
    earlier = f" ({run.tally.earlier} before)" if run.tally.earlier else ""
    return f"{', '.join(counts)}{earlier}; {cost}; {span(summary['seconds'])}; results in {request_name(summary)}"


def request_name(summary: dict[str, Any]) -> str:
    return "standard output" if summary["output"] == STDIN else str(summary["output"])


def _how_to_go_on(run: Run, request: Request) -> str:
    drop = f", drop what is left with: homa batches cancel {run.batch}" if run.batch and run.stop is not None else ""
    if RunFile(request.output).path is None:
        return f"the results that are missing: homa batches results {run.batch}{drop}"
    return f"go on with: {_again(request)}{drop}"


def _again(request: Request) -> str:
    """The same command line, resumed."""
    arguments = [each for each in sys.argv[1:] if each not in ("--resume", "--force", "--detach", "--json")]
    if arguments[:1] != ["run"]:
        return "the same command with --resume"
    return shlex.join(["homa", *arguments, "--resume"])


# -- beginnings and ends ----------------------------------------------------------------------------------------------


def _opened(request: Request, head: Sequence[Row]) -> ResultsWriter:
    columns = list(dict.fromkeys(name for row in head for name in row.fields)) if request.flat else []
    return open_output(request.output, request.form, resume=request.resume, force=request.force, columns=columns)


def _leave_earlier(request: Request, at: Desk) -> None:
    """An output that is begun anew: what still waits for the old one must not be paid."""
    runfile = RunFile(request.output)
    note = runfile.read()
    if note is not None and at.driver.run(abandon(at.keys, note)):
        say(f"cancelled what was left of batch {note.batch}, whose results {request.output} was to hold")
    runfile.remove()


def _part(run: Run) -> None:
    """Own workers leave; their logs stay where something went wrong."""
    run.workforce.drain()
    if run.workforce.any and run.workforce.wait(_PARTING_S) and run.stop is None:
        run.workforce.forget_logs()
    if run.kept is not None:
        run.kept.close()


def _max_failures(request: Request) -> MaxFailures | None:
    return None if request.max_failures is None else MaxFailures.parse(request.max_failures)


def _estimate(request: Request) -> int | None:
    return None if STDIN in request.inputs else request.intake.count()


def _name(request: Request) -> str:
    """The batch's name: host and file of its results."""
    output = request.output if request.output == STDIN else str(Path(request.output).resolve())
    return f"{socket.gethostname()}:{output}"
