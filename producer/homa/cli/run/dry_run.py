"""`homa run --dry-run`: first prompt, rows, tokens, cost and time, without a call."""

from __future__ import annotations

import contextlib
from typing import Any

import click
import orjson

from homa.cli.context import say
from homa.cli.documents.work import DryRunDocument
from homa.cli.output import dollars, usd_or_null
from homa.cli.run.checked import CheckedRun
from homa.cli.run.long_costs import long_document, long_told
from homa.cli.run.options import RunRequest
from homa.client.management.estimates import Estimate
from homa.files import Skipped
from homa.runs.destination import Destination
from homa.runs.forecast import forecast
from homa.runs.inputs import STDIN
from homa.runs.plan import Plan
from homa.runs.plan_words import planned, told
from homa.runs.progress import duration
from homa_shared.model.money import usd


def dry_run(run: CheckedRun) -> None:
    request = run.request
    with contextlib.ExitStack() as stack:
        rows = request.run_inputs.rows()
        if request.resume and (plan := _plan(run, stack)) is not None:
            say(told(plan, request.resumption))
            rows = plan.rows()
        found = forecast(run.view, request.run_options, run.builder, rows)
    if request.as_json:
        click.echo(orjson.dumps(_document(found, request.run_inputs.skipped)))
        return
    click.echo("\n".join([*_told(found, request), *([] if found.long is None else long_told(found.long))]))


def _plan(run: CheckedRun, stack: contextlib.ExitStack) -> Plan | None:
    """What a resumed run would do; None where no results are there. Its batch in the store is not looked at."""
    request = run.request
    columns = list(dict.fromkeys(name for row in run.head for name in row.fields)) if request.flat else []
    place = Destination(request.output, request.form, run.session.settings.home)
    earlier = place.look(columns=columns, schema=request.run_options.schema, cite=request.documents.cite)
    stack.callback(earlier.close)
    if request.output == STDIN or not earlier.count:
        return None
    plan = planned(
        earlier,
        run.builder,
        request.run_options.order,
        request.run_inputs,
        request.resumption,
        output=request.output,
    )
    stack.callback(plan.close)
    return plan


def _document(found: Estimate, skipped: Skipped) -> DryRunDocument:
    """For `--json`; dollars as decimal strings, null where a price is not known."""
    return {
        "rows": found.rows,
        "bad_rows": found.bad_rows,
        "skipped": dict(skipped.counts),
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "expected_usd": usd_or_null(found.expected_usd),
        "most_usd": usd_or_null(found.most_usd),
        "unpriced_rows": found.unpriced_rows,
        "output_cap": found.greatest_cap or None,
        "output_cap_by": ("homa" if found.own_caps else "caller") if found.greatest_cap else None,
        "seconds_at_limits": None if found.seconds_at_limits is None else round(found.seconds_at_limits, 1),
        "first_messages": found.first_messages,
        "long": None if found.long is None else long_document(found.long),
    }


def _told(found: Estimate, request: RunRequest) -> list[str]:
    first = [f"[{each['role']}]\n{_content(each['content'])}\n" for each in found.first_messages or []]
    rows = f"{found.rows} rows" + (f", {found.bad_rows} of them bad" if found.bad_rows else "")
    lines = ["First prompt:", "", *first, rows + (f" (the first: {found.first_bad})" if found.first_bad else "")]
    lines.append(f"about {found.input_tokens:,} tokens in, {found.output_tokens:,} out")
    if found.greatest_cap:
        lines.append(_cap(found))
    if found.unpriced_rows:
        lines.append(f"cost: unpriced, since no price is known for {', '.join(found.unpriced_targets)}")
    else:
        expected, most = dollars(found.expected_usd), dollars(found.most_usd)
        lines.append(f"cost: about {expected}, at most {most} (one call a row, answers of full length)")
        if request.budget is not None:
            lines.append(f"budget: ${usd(request.budget)}")
    if found.seconds_at_limits is None:
        lines.append("time: no limit is configured; the rate is found as it goes")
    else:
        lines.append(f"time: at least {duration(found.seconds_at_limits)} at the configured limits")
    skipped = request.run_inputs.skipped
    return [*lines, *skipped.remarks, *([str(skipped)] if skipped.total else [])]


def _cap(found: Estimate) -> str:
    least, most = found.least_cap, found.greatest_cap
    told = f"output cap {most:,} tokens a row" if least == most else f"output cap {least:,} to {most:,} tokens a row"
    if not found.own_caps:
        return told
    room = ", leaves room for thinking" if found.thinking_rows else ""
    return f"{told}: set by Homa{room}; --max-tokens changes it"


def _content(content: Any) -> str:
    return content if isinstance(content, str) else orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()
