"""Each option of a job, at a model of each family: it is answered, or refused before anything is sent.

What a family does not take is left out, translated, or a lack of the target that is known at submit. A request that
gets a 400 from the simulated provider, whose table of refusals is its own, is a fault of the adapter or of the table;
so is one that the SDK's own types do not know (judges.py).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiohttp import web

from homa.submit.encoded_messages import Prepared
from homa.submit.fitting import Fit
from homa.submit.job_options import rows
from homa.submit.option_row import Part
from homa.submit.options import check_options
from homa.submit.provider_options import ProviderOptions
from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Call, Delta
from homa_shared.kinds.parameter_rules import ANY
from homa_shared.kinds.registry import builtin_kinds, profile_of
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.targets import Target
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.store.client import AsyncStore
from homa_shared.store.connection import StoreAddress
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.pipeline.steps import structured
from homa_workers.providers.base import Provider
from homa_workers.simulator import Simulator, SimulatorConfig
from tests.matrix.conftest import ENDS, connect
from tests.matrix.family_models import CHATS, EMBEDS
from tests.matrix.judges import decoded, faults_of
from tests.matrix.requests import CASES, EMBEDDINGS, Case

#: Why a request may be refused before it is sent: found in what is said.
LACKS = re.compile("|".join((
    r"gives one (?:answer|choice) a call", r"ends with an assistant's message", r"cannot be made to call a tool",
    r"takes no tools", r"has no (?:flex|priority) tier", r"reads text only", r"takes no (?:images|PDF|audio)",
    r"takes documents by data only", r"takes no part of type|it takes no .* part",
    r"no Responses API, which", r"Responses API takes no audio|writes text only", r"takes no functions",
    r"answers in text only", r"by at least 16 tokens", r"is served by Bedrock's OpenAI endpoint",
    r"vectors of (?:the model's|its) own width only",
)))  # fmt: skip


class Recording(Simulator):
    """A simulator that keeps what arrives."""

    def __init__(self) -> None:
        super().__init__(SimulatorConfig())
        #: Path and body of the requests, in order.
        self.arrived: list[tuple[str, dict[str, Any]]] = []

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.arrived.append((request.path, decoded(await request.read())))
        return await super()._handle(request)


@pytest.fixture
async def recording() -> AsyncIterator[Recording]:
    async with Recording() as simulator:
        yield simulator


async def ignore(_: Delta) -> None:
    """Takes pieces of a stream."""


@dataclass
class Asker:
    """Asks one model of a kind, as client and worker do together."""

    kind: str
    provider: Provider
    simulator: Recording

    def __post_init__(self) -> None:
        # On a server of one's own no model has ended.
        fleet = Fleet(providers={self.kind: FleetProvider(kind=self.kind, local=True)})
        # It asks its store for nothing but changes of the settings.
        store = AsyncStore(StoreAddress.parse("redis://127.0.0.1:1"), "none", role="test")
        self.book = FleetBook(store, fleet, self.kind)
        self.capabilities = self.book.capabilities

    async def ask(self, model: str, case: Case) -> str:
        """What is wrong with what became of a request; empty where it was answered, or refused for a known lack."""
        target = Target(self.kind, model)
        options = check_options({"model": str(target), **case.options})
        params = {"max_tokens": 4096, **options.params}
        if "max_completion_tokens" in options.params:
            del params["max_tokens"]
        prepared = Prepared.of(case.messages)
        try:
            Fit(self.capabilities, [target], params, api=options.api).lacks(prepared)
        except InvalidRequest as error:
            return "" if LACKS.search(str(error)) else f"refused at submit: {error}"
        known = self.book.known(str(target))
        call, _ = known.fitted(known.for_api(self._asked(model, case, params, options.api)))
        before = len(self.simulator.arrived)
        try:
            await (self.provider.stream(call, ignore) if case.stream else self.provider.complete(call))
        except ProviderError as error:
            sent = len(self.simulator.arrived) > before
            if not sent and LACKS.search(error.message):
                return ""
            return f"{'refused by the provider' if sent else 'refused by the adapter'}: {error.kind}: {error.message}"
        return "; ".join(self._faults(model, *arrived) for arrived in self.simulator.arrived[before:])

    def _asked(self, model: str, case: Case, params: Mapping[str, Any], api: str) -> Call:
        """A call as steps make it: a schema is asked for in words where the model does not take one."""
        call = Call(model, [dict(message) for message in case.messages], dict(params), api=api)
        schema = structured.schema_of(call.params)
        target = Target(self.kind, model)
        if schema is None or (
            self.book.takes_schemas(target) and self.capabilities.schema_lack(target, schema) is None
        ):
            return call
        kept = {name: value for name, value in call.params.items() if name != "response_format"}
        return replace(call, params=kept, messages=[structured.instruction(schema), *call.messages])

    def _faults(self, model: str, path: str, body: dict[str, Any]) -> str:
        """Servers that only speak OpenAI's protocol get what was given: their models may know more than OpenAI's."""
        is_compatible = profile_of(self.kind).family(model) is ANY
        return "" if is_compatible else "; ".join(faults_of(self.kind, path, body))


@pytest.mark.parametrize("kind", sorted(CHATS))
async def test_every_option_is_answered_or_refused_before_the_call(kind: str, recording: Recording) -> None:
    provider = connect(kind, recording.url + ENDS[kind][0])
    asker, wrong = Asker(kind, provider, recording), []
    try:
        for model in CHATS[kind]:
            for name, case in CASES.items():
                if said := await asker.ask(model, case):
                    wrong.append(f"{model}, {name}: {said}")
    finally:
        await provider.aclose()
    assert not wrong, f"{len(wrong)} requests:\n" + "\n".join(wrong)


@pytest.mark.parametrize("kind", sorted(EMBEDS))
async def test_every_option_of_embeddings_is_answered_or_refused_before_the_call(
    kind: str, recording: Recording
) -> None:
    provider, wrong = connect(kind, recording.url + ENDS[kind][0]), []
    try:
        for model in EMBEDS[kind]:
            for name, params in EMBEDDINGS.items():
                recording.arrived.clear()
                try:
                    found = await provider.embed(model, ["a", "b"], params)
                    assert len(found.vectors) == 2
                except ProviderError as error:
                    if recording.arrived or not LACKS.search(error.message):
                        wrong.append(f"{model}, {name}: {error.kind}: {error.message}")
                for path, body in recording.arrived:
                    wrong += [f"{model}, {name}: {fault}" for fault in faults_of(kind, path, body)]
    finally:
        await provider.aclose()
    assert not wrong, "\n".join(wrong)


def test_the_cases_say_every_option_that_goes_to_a_provider() -> None:
    said = {name for case in CASES.values() for name in case.options}
    said |= {name for params in EMBEDDINGS.values() for name in params}
    to_a_provider = {name for name, row in rows().items() if row.part is Part.PROVIDER} | {
        *ProviderOptions.__annotations__
    }
    # By these a provider finds what it has kept, which a simulated one has not.
    recalling = {"conversation", "previous_response_id"}
    assert to_a_provider - recalling <= said


def test_the_models_are_of_every_family() -> None:
    for kind in builtin_kinds():
        profile = profile_of(kind)
        found = {id(profile.family(model)) for model in CHATS[kind]}
        missed = [family.pattern for family in profile.families if id(family) not in found]
        if kind != "azure":
            assert not missed, kind
