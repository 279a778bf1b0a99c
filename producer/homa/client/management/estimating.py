"""`Homa.estimate`: requests as `submit` and `submit_batch` take them, added up by the fleet's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa.client.management.estimates import Estimator
from homa.drivers.context import Context
from homa.drivers.effects import Flow
from homa.submit.batch_chunks import BatchRequest, line_options
from homa.submit.fleet_view import FleetView
from homa.submit.options import check_options, spread
from homa.submit.submitter import Submitter
from homa.submit.template_values import stored_template
from homa_shared.calls.prompt_templates import Template as StoredTemplate
from homa_shared.model.errors import BudgetExceeded, InvalidRequest, StoreUnavailable


class Estimating:
    """The making of one estimate.

    Args:
        options: of `submit`, which the requests share.
    """

    def __init__(self, submitter: Submitter, context: Context, options: Mapping[str, Any]) -> None:
        self._submitter, self._context = submitter, context
        self._shared = {name: value for name, value in spread(options).items() if value is not None}
        self._rows = 0

    def begin(self) -> Flow[Estimator]:
        """What requests are added to.

        Raises:
            UnknownModel: the model that they share is neither a target nor an alias.
            StoreUnavailable: there is a store, and it cannot be asked.
        """
        view = yield from self._view()
        named: dict[str, Any] = {name: self._shared[name] for name in ("model", "fallbacks") if name in self._shared}
        if "model" in named:
            options = check_options(named)
            view.fleet.resolve(options.model, options.fallbacks)
        stored: StoredTemplate | None = None
        if self._shared.get("template") is not None:
            stored = yield from stored_template(self._submitter.keys, self._shared["template"])
            if "model" in named:
                yield from self._submitter.learn_template(view, check_options(named).of_template(stored.ref))
        return Estimator(view, self._shared, stored)

    def add_one(self, estimator: Estimator) -> None:
        """Adds the one request that the options say all of; raises as `submit`."""
        estimator.add(self._shared)

    def add(self, estimator: Estimator, request: BatchRequest) -> None:
        """Adds a line of a batch; one that would be refused counts as bad."""
        try:
            estimator.add(line_options(request))
        except (InvalidRequest, BudgetExceeded) as error:
            estimator.reject(f"request {self._rows}: {error}")
        self._rows += 1

    def _view(self) -> Flow[FleetView]:
        """The fleet's settings, or this process's own where it has no store."""
        try:
            return (yield from self._submitter.view(fresh_s=1.0))
        except StoreUnavailable:
            try:
                self._context.address()
            except StoreUnavailable:
                return FleetView(self._context.settings.fleet())
            raise
