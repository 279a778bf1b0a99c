"""What `homa run` does: everything is checked before anything is submitted, then one of three ways is taken."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from homa.cli.context import submitting_session
from homa.cli.run.attached import attached
from homa.cli.run.detached import detach
from homa.cli.run.dry_run import dry_run
from homa.cli.run.options import RunRequest
from homa.files import Row, columns_of, look_ahead
from homa.runs.inputs import STDIN
from homa.runs.row_request import RequestBuilder
from homa.submit.fleet_view import FleetView
from homa.submit.options import check_options
from homa.submit.template import Template
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.money import usd
from homa_shared.model.targets import Target


def run_batch(**options: Any) -> None:
    """Carries out `homa run`; raises for every exit status but 0."""
    request = RunRequest(options)
    request.check()
    with contextlib.closing(request.run_inputs):
        if STDIN in request.run_inputs.inputs:
            # Looked into before the run, and read again by it.
            request.run_inputs.keep_stdin()
        _run(request)


def _run(request: RunRequest) -> None:
    with submitting_session(start=not request.dry_run) as here:
        view = here.view()
        head = _checked_head(request, view)
        targets = _checked_targets(request, view, head)
        builder = RequestBuilder(request.template, request.model, view.fleet, request.max_tokens is not None)
        if request.dry_run:
            dry_run(request, view, builder)
        elif request.detach:
            detach(request, here, view, builder, head, targets)
        else:
            attached(request, here, view, builder, head, targets)


def _checked_head(request: RunRequest, view: FleetView) -> list[Row]:
    """The first rows, after a look at whether the template fits them."""
    head, _ = look_ahead(request.run_inputs.rows())
    rows = [row for row in head if isinstance(row, Row)]
    plain = [row for row in rows if row.request is None]
    if plain:
        request.template.check(columns_of(plain))
        if request.model is None:
            raise InvalidRequest("--model is missing: expected provider:model, such as openai:gpt-5-mini, or an alias")
    if not head:
        raise InvalidRequest(f"INPUT {' '.join(request.inputs)}: no row in it ({request.run_inputs.skipped})")
    return rows


def _checked_targets(request: RunRequest, view: FleetView, head: Sequence[Row]) -> list[str]:
    """The targets that the run goes to, as far as its first rows tell; checked with all that applies to them."""
    builder = RequestBuilder(request.template, request.model, view.fleet)
    lines = [row.request for row in head if row.request is not None]
    models = [request.model] if request.model is not None else [builder.model_of(body) for body in lines]
    targets: dict[str, None] = {}
    for model in dict.fromkeys(models):
        arguments = {**request.run_options.arguments, "model": model}
        arguments.pop("system", None)
        template = Template(view, check_options(arguments))
        targets.update(dict.fromkeys(template.targets))
        for target in map(str, template.chain):
            _check_price(request, view, target, template.max_tokens)
    return list(targets)


def _check_price(request: RunRequest, view: FleetView, target: str, max_tokens: int) -> None:
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
