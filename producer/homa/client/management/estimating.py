"""`Homa.estimate`: requests as `submit` and `submit_batch` take them, added up by the fleet's settings.

They are checked by what would send them, so that an estimate counts what would be accepted and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from typing_extensions import TypeIs

from homa.client.batch_submission import BatchSubmission
from homa.client.management.estimates import Estimator
from homa.drivers.context import Context
from homa.drivers.effects import Flow
from homa.submit.affordability import check_cost
from homa.submit.asked import Asked, ask_for
from homa.submit.batch_chunks import Chunks
from homa.submit.batch_line_options import BatchRequest, line_options
from homa.submit.encoded_messages import Prepared
from homa.submit.fleet_view import FleetView
from homa.submit.options import check_options, spread
from homa.submit.submitter import Submitter
from homa.submit.template import Template
from homa.submit.template_values import stored_template
from homa.submit.uploads import Uploads
from homa_shared.calls.prompt_templates import Template as StoredTemplate
from homa_shared.model.errors import BudgetExceeded, InvalidRequest, StoreUnavailable
from homa_shared.model.ids import new_job_id

if TYPE_CHECKING:
    from homa.flows.flow import Flow as HomaFlow


class _NoUploads(Uploads):
    """Media of requests that are not sent."""

    def add(self, job_id: str, prepared: Prepared) -> Prepared:
        return prepared


class Estimating:
    """The making of one estimate.

    Args:
        options: of `submit`, which the requests share.
        many: they are those of `submit_batch`.

    Raises:
        InvalidRequest: they are wrong by themselves.
    """

    def __init__(self, submitter: Submitter, context: Context, options: Mapping[str, Any], *, many: bool) -> None:
        self._submitter, self._context, self._options = submitter, context, options
        self._shared = {name: value for name, value in spread(options).items() if value is not None}
        self._batch: BatchSubmission | None = None
        if many:
            self._batch = BatchSubmission(submitter, options)
            self._shared.pop("name", None)
        self._rows = 0
        #: Names of templates that lines have, and why there is none of some.
        self._read_names: set[str] = set()
        self._unknown: dict[str, str] = {}
        self._view: FleetView
        self._chunks: Chunks
        #: The one request, where there are not many.
        self._asked: Asked

    def begin(self) -> Flow[Estimator]:
        """What requests are added to.

        Raises:
            InvalidRequest: options that they share are wrong.
            UnknownModel: the model that they share is neither a target nor an alias.
            StoreUnavailable: there is a store, and it cannot be asked.
        """
        self._view = yield from view_or_settings(self._submitter, self._context)
        named: dict[str, Any] = {name: self._shared[name] for name in ("model", "fallbacks") if name in self._shared}
        if "model" in named:
            options = check_options(named)
            self._view.fleet.resolve(options.model, options.fallbacks)
        if self._batch is not None:
            yield from self._batch.read_template(self._view)
            self._chunks = self._batch.chunks(self._view, _NoUploads(self._context))
            if "model" in named:
                self._chunks.check_defaults()
        else:
            self._asked = yield from self._submitter.filled(ask_for(self._options))
            yield from self._submitter.learn_template(self._view, self._asked.options)
        stored: StoredTemplate | None = None
        if self._shared.get("template") is not None:
            stored = yield from stored_template(self._submitter.keys, self._shared["template"])
        return Estimator(self._view, self._shared, stored)

    def add_one(self, estimator: Estimator) -> None:
        """Adds the one request that the options say all of; raises as `submit`."""
        asked = self._asked
        template, skipped = Template(self._view, asked.options).fit(asked.prepared)
        check_cost(template, template.entry(new_job_id(), asked.prepared, skipped=skipped).bound, asked)
        estimator.add(self._shared)

    def read(self, estimator: Estimator, request: BatchRequest) -> Flow[None]:
        """Reads the template that a line names, before it is added; one that there is not is told when it is added."""
        name = request.get("template") if isinstance(request, Mapping) else None
        if not isinstance(name, str) or name in self._read_names:
            return
        self._read_names.add(name)
        try:
            found = yield from stored_template(self._submitter.keys, name)
        except InvalidRequest as error:
            self._unknown[name] = str(error)
            return
        self._chunks.know(name, found)
        estimator.know(name, found)

    def add(self, estimator: Estimator, request: BatchRequest) -> None:
        """Adds a line of a batch; one that `submit_batch` would refuse counts as bad."""
        try:
            if isinstance(request, Mapping) and (why := self._unknown.get(str(request.get("template")))) is not None:
                raise InvalidRequest(why)
            self._chunks.check(request, self._rows)
            estimator.add(line_options(request))
        except (InvalidRequest, BudgetExceeded) as error:
            estimator.reject(f"request {self._rows}: {error}")
        self._rows += 1


def view_or_settings(submitter: Submitter, context: Context) -> Flow[FleetView]:
    """The fleet's settings, or this process's own where it has no store.

    Raises:
        StoreUnavailable: there is a store, and it cannot be asked.
    """
    try:
        return (yield from submitter.view(fresh_s=1.0))
    except StoreUnavailable:
        try:
            context.address()
        except StoreUnavailable:
            return FleetView(context.settings.fleet())
        raise


def is_flow(given: object, inputs: object) -> TypeIs[HomaFlow]:
    """Whether what is to be estimated is a flow.

    Raises:
        InvalidRequest: it is one without inputs, or none with inputs.
    """
    if given is None or isinstance(given, str | list | tuple):
        found = False
    else:
        from homa.flows.flow import Flow as HomaFlow  # here, since few estimates are of flows

        found = isinstance(given, HomaFlow)
    if found != (inputs is not None):
        given_without = "a flow without inputs" if found else "inputs without a flow"
        raise InvalidRequest(f"estimate of {given_without}: expected both, such as estimate(flow, [{{'text': …}}])")
    return found
