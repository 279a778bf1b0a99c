"""How jobs get into the store: the fleet's settings read, requests checked and turned into entries, sent so that no
repetition makes a second job.

A job without a key gets its id before anything is sent, and a job of a batch is named by its line; sending the same
entries again, after a reply that was lost, changes nothing. A job with a key is known by it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from homa.drivers.context import Context
from homa.drivers.effects import Flow, ask, ask_patiently, within
from homa.drivers.source import ClientSource
from homa.submit.acceptance_errors import key_conflict, uncertain
from homa.submit.affordability import check_cost
from homa.submit.asked import AcceptedJob, Asked, ask_for
from homa.submit.fleet_view import FleetView
from homa.submit.key_rates import on_budget_of, within_rate
from homa.submit.model_words import tell
from homa.submit.options import Options
from homa.submit.request_digests import digest
from homa.submit.template_values import filled_request
from homa.submit.templates import Templates
from homa.submit.traced import traced_entry
from homa.submit.uploads import Uploads
from homa_shared.model.errors import StoreUnavailable, UnknownModel
from homa_shared.model.ids import new_job_id
from homa_shared.model.pools import members_of
from homa_shared.settings.changes import drift
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.reads.prompts import prompt_answers
from homa_shared.store.reads.token_error import learned
from homa_shared.store.reads.written_tokens import answer_tokens, known_targets
from homa_shared.store.transitions.fleet import read_fleet, supersedes, write_fleet, write_plans
from homa_shared.store.transitions.submit import Common, Entry, submit

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet
    from homa_shared.traces import Traces

T = TypeVar("T")

#: How long a process goes by the fleet's settings before it reads them again, s.
FLEET_FRESH_S = 30.0
#: The same where a model is not among them: it may just have been added.
_DOUBTED_S = 1.0


class Submitter:
    """Submits for one client. It holds nothing that may not be lost."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._view: FleetView | None = None
        self._templates = Templates()
        #: The fake fleet that it was read from.
        self._fake = context.fake
        self._read_s = 0.0
        #: Version of the fleet's settings that this process's own were last held against.
        self._told_version = -1

    def __reduce__(self) -> tuple[Any, ...]:
        return _submitter_at, (ClientSource.of(self._context),)

    @property
    def keys(self) -> Keys:
        return self._context.keys

    @property
    def traces(self) -> Traces | None:
        """Makes spans of jobs that are created; None where none is traced."""
        return self._context.traces

    def factor(self, model: str) -> float:
        """What estimates of a target's tokens are scaled by, as far as this client knows; it asks nobody."""
        return 1.0 if self._view is None else self._view.factors.get(model, 1.0)

    def uploads(self) -> Uploads:
        """Gathers what jobs of one submission refer to."""
        return Uploads(self._context)

    @property
    def settings_folder(self) -> str | None:
        """The folder of homa.toml, from which its relative paths begin; None where there is no such file."""
        found = self._context.settings.config_file
        return None if found is None else str(found.absolute().parent)

    def bounded(self, flow: Flow[T]) -> Flow[T]:
        """A part of a submission, given up at a mute store after the time that the settings say."""
        return within(self._context.settings.submit_timeout_s, flow)

    def submit(self, asked: Asked) -> Flow[str]:
        """Accepts one job; returns its id, that of the first one where its key was used before.

        Raises:
            KeyConflict: its key was used before with another request.
            KeyRateExceeded: the key of the gateway that it comes by has no room for it now.
            InvalidRequest: no target can do it.
            UnknownModel, BudgetExceeded, StoreFull: nothing was submitted.
            StoreUnavailable: likewise, unless it has a `job_id`.
        """
        return (yield from self.accept(asked)).job_id

    def accept(self, asked: Asked) -> Flow[AcceptedJob]:
        """`submit`, which also tells whether the job is a new one."""
        return (yield from self.bounded(self._accept(asked)))

    def _accept(self, asked: Asked) -> Flow[AcceptedJob]:
        asked = yield from self.filled(asked)
        key = f"{asked.key} {digest(asked.options, asked.prepared)}" if asked.key else ""
        common, entry = yield from self.ready(asked, key)
        headroom = yield from within_rate(self.keys, asked.gateway_key, lambda: self._expected_tokens(asked))
        try:
            accepted = yield from ask(submit(self.keys, common, [entry]))
        except StoreUnavailable as error:
            raise uncertain(error, entry.id, asked.key) from error
        if accepted.conflicts:
            raise key_conflict(asked.key, accepted.conflicts[0])
        known = accepted.existing.get(0)
        return AcceptedJob(known or entry.id, is_new=known is None, headroom=headroom)

    def ready(self, asked: Asked, key: str = "", uploads: Uploads | None = None) -> Flow[tuple[Common, Entry]]:
        """A job ready to be accepted under a new id: targets that can do it chosen, its media uploaded.

        Args:
            asked: with its prompt made, where a stored template makes it (`filled`).
            key: idempotency key and digest, `key digest`.
            uploads: what is to be uploaded with its own.

        Raises:
            InvalidRequest, UnknownModel, BudgetExceeded: it cannot be done.
            StoreUnavailable, StoreFull: not all of it could be uploaded.
        """
        traces, began_ns = self.traces, time.time_ns()
        self.expect(asked.options.model, asked.options.fallbacks)
        view = yield from self.view_for(asked.options)
        yield from self.learn_template(view, asked.options)
        template, skipped = self._templates.of(view, asked.options).fit(asked.prepared)
        yield from self.write_plans(view, template.targets)
        due_ms = yield from self._due_ms(asked.options)
        job_id, uploads = new_job_id(), self.uploads() if uploads is None else uploads
        prepared = uploads.add(job_id, asked.prepared)
        shared = template.shared(asked.prepared)
        entry = template.entry(job_id, prepared, key=key, due_ms=due_ms, skipped=skipped, shared=shared)
        check_cost(template, entry.bound, asked)
        yield from uploads.send(self.keys)
        common = on_budget_of(asked.gateway_key, template.common_for(asked.prepared))
        if self._context.announced_to:
            common = replace(common, notify=self._context.announced_to)
        return common, entry if traces is None else traced_entry(traces, common, entry, began_ns)

    def filled(self, asked: Asked, *, scheduled: bool = False) -> Flow[Asked]:
        """A request with its prompt made where it names a stored template.

        Args:
            scheduled: leave moments of a schedule's tick to the schedule.

        Raises:
            InvalidRequest: there is no such template, or a value is missing, wrong or unknown.
        """
        if asked.by_template is None:
            return asked
        said, template = yield from filled_request(self.keys, asked.by_template, scheduled=scheduled)
        made = ask_for(said)
        return replace(made, options=made.options.of_template(template.ref), gateway_key=asked.gateway_key)

    def learn_template(self, view: FleetView, options: Options) -> Flow[None]:
        """Reads how long answers to a stored template are, as often as the fleet's settings."""
        ref = options.template
        if not ref:
            return
        hops = view.fleet.hops(options.model, options.fallbacks)
        targets = [str(member) for hop in hops for member in members_of(hop)]
        if view.must_learn(ref, targets, FLEET_FRESH_S):
            view.know_template(ref, (yield from ask_patiently(prompt_answers(self.keys, ref, targets))))
            self._templates.clear()

    def expect(self, model: str, fallbacks: Sequence[str]) -> None:
        """Workers of this process's own may start before the store is asked for anything."""
        if self._context.workers is not None and self._view is None:
            self._context.workers.expect(model, fallbacks)

    def view_for(self, options: Options) -> Flow[FleetView]:
        """The fleet's settings as of late; newer ones where they do not know the options' models."""
        view = yield from self.view()
        try:
            view.fleet.resolve(options.model, options.fallbacks)
        except UnknownModel:
            if time.monotonic() - self._read_s > _DOUBTED_S:
                view = yield from self.view(fresh_s=0.0)
        return view

    def view(self, *, fresh_s: float = FLEET_FRESH_S) -> Flow[FleetView]:
        """The fleet's settings, read again where they are older than `fresh_s`."""
        if self._fake is not self._context.fake:
            self._fake, self._view = self._context.fake, None
        view = self._view
        if view is None or time.monotonic() - self._read_s > fresh_s:
            fleet = yield from self._enter()
            if view is None or view.fleet.version != fleet.version:
                view = self._view = FleetView(fleet)
                # Before the first job: the output caps that Homa sets go by it.
                named = yield from ask(known_targets(self.keys))
                view.answers = (yield from ask(answer_tokens(self.keys, named))) if named else {}
            view.versions = yield from ask(reads.versions(self.keys))
            yield from self._learn(view, sorted(view.written))
            self._read_s = time.monotonic()
            self._templates.clear()
        return view

    def write_plans(self, view: FleetView, targets: Sequence[str]) -> Flow[None]:
        """Tells the store the limits of targets, once for each version of the fleet, before a job waits for them."""
        missing = view.unwritten(targets)
        if self._context.workers is not None:
            self._context.workers.need(targets)
        if missing:
            tell(view, missing)
            yield from ask_patiently(write_plans(self.keys, view.plan_rows(missing)))
            yield from self._learn(view, missing)
            view.written.update(missing)
            self._templates.clear()

    def _learn(self, view: FleetView, targets: Sequence[str]) -> Flow[None]:
        """Reads how far estimates of tokens are off for models whose encodings are not public."""
        called = list(dict.fromkeys(str(member) for target in targets for member in view.members(target)))
        if called:
            found = yield from ask_patiently(learned(self.keys, called))
            view.factors = {**view.factors, **{target: sums.factor for target, sums in found.items()}}
            view.answers = {**view.answers, **(yield from ask_patiently(answer_tokens(self.keys, called)))}

    def _enter(self) -> Flow[Fleet]:
        mine = self._context.settings.fleet()
        while True:
            theirs = yield from ask(read_fleet(self.keys))
            if theirs is not None and not supersedes(mine, theirs, owned=self._context.owns_fleet):
                self._tell_drift(theirs, mine)
                return theirs
            yield from ask(write_fleet(self.keys, mine, seen=theirs.version if theirs else 0))

    def _tell_drift(self, theirs: Fleet, mine: Fleet) -> None:
        """Logs once a version that settings here are not in force."""
        if theirs.version != self._told_version:
            self._told_version = theirs.version
            if (said := drift(theirs, mine)) is not None:
                logging.getLogger("homa").warning(said)

    def _expected_tokens(self, asked: Asked) -> int:
        """Of a request that is ready."""
        view = self._view
        return 0 if view is None else self._templates.of(view, asked.options).expected_tokens(asked.prepared)

    def _due_ms(self, options: Options) -> Flow[int | None]:
        """Delay until a wall-clock time, by the store's clock: this machine's may be wrong."""
        if options.at_ms is None:
            return None
        now_ms = yield from ask(reads.server_time(self.keys))
        return max(0, options.at_ms - now_ms)


def _submitter_at(source: ClientSource) -> Submitter:
    return Submitter(source.context())
