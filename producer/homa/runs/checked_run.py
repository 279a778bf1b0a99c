"""A run whose options, first rows and models have been checked, before anything is submitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from homa.client.session import Session
from homa.files import BadRow, PromptTemplate, Row, columns_of, look_ahead
from homa.files.remote.address import as_told
from homa.files.spelling import Spelling
from homa.runs.document_options import DocumentOptions
from homa.runs.inputs import RunInputs
from homa.runs.long.fitting import Fitting
from homa.runs.long.room import Room, counted_as
from homa.runs.row_request import RequestBuilder
from homa.runs.run_options import RunOptions
from homa.submit.fleet_view import FleetView
from homa.submit.model_words import tell
from homa.submit.options import check_options
from homa.submit.template import Template
from homa.submit.template_values import stored_template
from homa_shared.calls.prompt_templates import Template as StoredTemplate
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.example_models import OPENAI
from homa_shared.model.money import usd
from homa_shared.model.pools import members_of
from homa_shared.model.targets import Target


class RunOrder(Protocol):
    """What somebody wants done, on the command line or in Python."""

    @property
    def inputs(self) -> Sequence[str]: ...

    @property
    def run_inputs(self) -> RunInputs: ...

    @property
    def run_options(self) -> RunOptions: ...

    @property
    def prompt_template(self) -> PromptTemplate: ...

    @property
    def template(self) -> str | None:
        """Name of the stored template."""
        ...

    @property
    def stored(self) -> StoredTemplate | None:
        """It, once it is read."""
        ...

    @property
    def model(self) -> str | None: ...

    @property
    def max_tokens(self) -> int | None: ...

    @property
    def budget(self) -> int | None:
        """Nano-dollars."""
        ...

    @property
    def documents(self) -> DocumentOptions: ...

    @property
    def spelled(self) -> Spelling:
        """How they name their options."""
        ...

    def use(self, stored: StoredTemplate) -> None:
        """Takes this version of the stored template from here on."""
        ...


R = TypeVar("R", bound=RunOrder)


@dataclass(frozen=True, slots=True)
class CheckedRun(Generic[R]):
    """What all ways of running have in common."""

    request: R
    session: Session
    view: FleetView
    builder: RequestBuilder
    #: The first good rows.
    head: Sequence[Row]
    #: That the run goes to, as far as its first rows tell.
    targets: Sequence[str]

    @classmethod
    def check(cls, request: R, session: Session) -> CheckedRun[R]:
        """Raises InvalidRequest or UnknownModel for what would otherwise fail in the middle of the run."""
        view = session.view()
        if request.template is not None:
            request.use(session.driver.run(stored_template(session.keys, request.template)))
        if not request.documents.units.whole and request.model is not None:
            request.run_inputs.counted_as = counted_as(view, members_of(view.fleet.hops(request.model)[0])[0])
        head = _checked_head(request)
        targets = _checked_targets(request, view, head)
        tell(view, targets)
        builder = RequestBuilder(
            request.prompt_template,
            request.model,
            view.fleet,
            request.max_tokens is not None,
            request.stored,
            _fitting(request, view),
            request.documents.cite,
        )
        _learn(request, session, view)
        return cls(request, session, view, builder, head, targets)


def _fitting(request: RunOrder, view: FleetView) -> Fitting | None:
    """How rows are held against the window; None where each goes to a model of its own."""
    if request.model is None:
        return None
    given = request.run_options.options
    asked = {name: value for name, value in given.items() if name not in ("system", "template")}
    said = {**given, "system": request.stored.system} if request.stored is not None else given
    calls = Template(view, check_options(asked))
    room = Room.of(view, calls, said, request.documents.window)
    return Fitting.of(request.documents, room, request.prompt_template, calls, given, request.spelled, request.stored)


def _checked_head(request: RunOrder) -> list[Row]:
    """The first rows, after a look at whether the template fits them."""
    told = (row for row in request.run_inputs.rows() if not (isinstance(row, BadRow) and row.skipped))
    head, _ = look_ahead(told)
    rows = [row for row in head if isinstance(row, Row)]
    plain = [row for row in rows if row.request is None]
    if plain:
        _check_template(request, columns_of(plain), several=len(plain) > 1)
        if request.model is None:
            raise InvalidRequest(
                f"{request.spelled('model')} is missing: expected provider:model, such as {OPENAI.target}, or an alias"
            )
    if not head and not request.run_inputs.skipped.total:
        inputs = " ".join(map(as_told, request.inputs))
        raise InvalidRequest(f"INPUT {inputs}: no row in it ({request.run_inputs.skipped})")
    return rows


def _check_template(request: RunOrder, columns: list[str], *, several: bool) -> None:
    template, option = request.prompt_template, request.spelled("prompt")
    if request.stored is not None:
        said = f"{request.stored.prompt}{request.stored.system or ''}"
        template, option = PromptTemplate.parse(said), request.spelled("template")
    template.check(columns)
    if several:
        template.check_varies(columns, option)
    units = request.documents.units
    if not units.whole and "text" not in template.names:
        raise InvalidRequest(
            f"{option} names no {{{{text}}}}, which is what {request.spelled('unit', units.kind)} cuts: each part of a "
            "document would be the same paid question; expected {{text}} in it"
        )


def _learn(request: RunOrder, session: Session, view: FleetView) -> None:
    """How long answers to the stored template are, for the forecast."""
    if request.stored is not None and request.model is not None:
        given = request.run_options.given
        asked = check_options({"model": request.model, "fallbacks": given.get("fallbacks") or ()})
        session.driver.run(session.submitter.learn_template(view, asked.of_template(request.stored.ref)))


def _checked_targets(request: RunOrder, view: FleetView, head: Sequence[Row]) -> list[str]:
    """The targets that the run goes to, as far as its first rows tell; checked with all that applies to them."""
    builder = RequestBuilder(request.prompt_template, request.model, view.fleet)
    lines = [row.request for row in head if row.request is not None]
    models = [request.model] if request.model is not None else [builder.model_of(body) for body in lines]
    targets: dict[str, None] = {}
    for model in dict.fromkeys(models):
        options = {**request.run_options.options, "model": model}
        options.pop("system", None)
        options.pop("template", None)
        template = Template(view, check_options(options))
        targets.update(dict.fromkeys(template.targets))
        _check_reachable(view, template)
        for target, (cap, _) in template.by_target().items():
            _check_price(request, view, template, target, cap)
    return list(targets)


def _check_reachable(view: FleetView, template: Template) -> None:
    """Whether the run has a model that may still be called."""
    gone = [why for target in template.chain if (why := view.capabilities.gone(target)) is not None]
    if len(gone) == len(template.chain):
        raise InvalidRequest(
            f"{'; '.join(gone)}: every call would be refused; expected another --model, or a --fallback"
        )


def _check_price(request: RunOrder, view: FleetView, template: Template, target: Target, max_tokens: int) -> None:
    if request.budget is None:
        return
    budget = request.spelled("budget_usd")
    least = view.prices.bound(target, 0, max_tokens, params=template.params_at(target))
    if least is None:
        what, setting = template.no_price(str(target))
        raise InvalidRequest(
            f"{budget} is given, and {what} has no known price, so that nobody could hold it: set "
            f"[{setting}] in homa.toml (then `homa apply`), or leave {budget} out"
        )
    if least > request.budget:
        raise InvalidRequest(
            f"{budget} is ${usd(request.budget)}, and the output alone of one call of {target}, up to {max_tokens:,} "
            f"tokens, may cost ${usd(least)}: lower {request.spelled('max_tokens')} or raise {budget}"
        )
