"""What a run would cost and how long it would take, without a call: `homa run --dry-run`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from homa.client.management.estimates import Estimate, Estimator
from homa.files import BadRow, Row
from homa.runs.long.costs import LongCosts
from homa.runs.long.ways import DIVIDED
from homa.runs.row_request import RequestBuilder
from homa.runs.run_options import RunOptions
from homa.submit.batch_line_options import line_options
from homa.submit.fleet_view import FleetView
from homa_shared.model.errors import InvalidRequest


def forecast(view: FleetView, options: RunOptions, builder: RequestBuilder, rows: Iterable[Row | BadRow]) -> Estimate:
    """The estimate of a run's rows; those that would be refused are counted."""
    estimator, fitting = Estimator(view, options.options, builder.stored), builder.fitting
    costs = None if fitting is None else LongCosts(view, fitting)
    if fitting is not None and costs is not None:
        fitting.on_long = costs.add
    for row in rows:
        bad = row if isinstance(row, BadRow) else _added(estimator, builder, row)
        if bad is not None:
            estimator.reject(str(bad))
    found = estimator.estimate()
    if costs is None:
        return found
    long = costs.estimate()
    return replace(found, rows=found.rows + long.divided, long=long)


def _added(estimator: Estimator, builder: RequestBuilder, row: Row) -> BadRow | None:
    request = builder.request(row)
    if isinstance(request, BadRow):
        return request
    if DIVIDED in request:  # priced apart, as the calls that it takes
        return None
    try:
        estimator.add(line_options(request))
    except InvalidRequest as error:
        return row.rejected(str(error))
    return None
