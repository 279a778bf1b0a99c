"""`homa run --dry-run`: first prompt, rows, tokens, cost and time, without a call."""

from __future__ import annotations

from typing import Any

import click
import orjson

from homa.cli.run.checked import CheckedRun
from homa.cli.run.options import RunRequest
from homa.runs.forecast import Forecast, Forecaster
from homa.runs.progress import duration
from homa_shared.model.money import usd


def dry_run(run: CheckedRun) -> None:
    request = run.request
    forecast = Forecaster(run.view, request.run_options, run.builder).of(request.run_inputs.rows())
    if request.as_json:
        click.echo(orjson.dumps(forecast.as_json()))
        return
    click.echo("\n".join(_told(forecast, request)))


def _told(forecast: Forecast, request: RunRequest) -> list[str]:
    first = [f"[{each['role']}]\n{_content(each['content'])}\n" for each in forecast.first_messages or []]
    rows = f"{forecast.rows} rows" + (f", {forecast.bad_rows} of them bad" if forecast.bad_rows else "")
    lines = ["First prompt:", "", *first, rows + (f" (the first: {forecast.first_bad})" if forecast.first_bad else "")]
    lines.append(f"about {forecast.input_tokens:,} tokens in, {forecast.output_tokens:,} out")
    if forecast.greatest_cap:
        lines.append(_cap(forecast))
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
        lines.append(f"time: at least {duration(forecast.minutes * 60)} at the configured limits")
    return [*lines, str(request.run_inputs.skipped)] if request.run_inputs.skipped.total else lines


def _cap(forecast: Forecast) -> str:
    least, most = forecast.least_cap, forecast.greatest_cap
    told = f"output cap {most:,} tokens a row" if least == most else f"output cap {least:,} to {most:,} tokens a row"
    if not forecast.own_caps:
        return told
    room = ", leaves room for thinking" if forecast.thinking_rows else ""
    return f"{told}: set by Homa{room}; --max-tokens changes it"


def _content(content: Any) -> str:
    return content if isinstance(content, str) else orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()
