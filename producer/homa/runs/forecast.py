"""What a run would cost and how long it would take, without a call: `homa run --dry-run`."""

from __future__ import annotations

from collections.abc import Iterable

from homa.client.management.estimates import Estimate, Estimator
from homa.files import BadRow, Row
from homa.runs.long.ways import DIVIDED
from homa.runs.row_request import RequestBuilder
from homa.runs.run_options import RunOptions
from homa.submit.batch_line_options import line_options
from homa.submit.fleet_view import FleetView
from homa_shared.model.errors import InvalidRequest


def forecast(view: FleetView, options: RunOptions, builder: RequestBuilder, rows: Iterable[Row | BadRow]) -> Estimate:
    """The estimate of a run's rows; those that would be refused are counted."""
    estimator = Estimator(view, options.options, builder.stored)
    for row in rows:
        bad = row if isinstance(row, BadRow) else _added(estimator, builder, row)
        if bad is not None:
            estimator.reject(str(bad))
    return estimator.estimate()


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
