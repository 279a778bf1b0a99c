"""What a client makes of `api="responses"`: the stored request, whom it can go to, what it may cost."""

from __future__ import annotations

from typing import Any, cast

import pytest

from homa import InvalidRequest
from homa.client.embeddings import ask_for_embeddings
from homa.submit.affordability import check_affordable
from homa.submit.encoded_messages import Prepared
from homa.submit.fleet_view import FleetView
from homa.submit.options import check_options
from homa.submit.request_digests import digest
from homa.submit.template import Template
from homa_shared.calls.openai_apis import by_own_api, has_fees
from homa_shared.calls.reply import CHAT_API, ITEMS, RESPONSES_API, Call, Completion, Usage
from homa_shared.calls.request import REQUEST_VERSION, JobRequest, request_head
from homa_shared.model.targets import Target
from homa_shared.quota.call_parts import Part
from homa_shared.quota.need_calculator import NeedCalculator
from homa_shared.quota.plan import plan
from homa_shared.quota.prompt import Prompt
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import ModelAlias
from homa_shared.store.client import AsyncStore
from homa_shared.store.keys import Keys
from homa_shared.store.reads.token_error import Learned
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.fleet.token_calibration import TokenLearning

MINI, AZURE, HAIKU = "openai:gpt-6-luna", "azure:gpt-6-luna", "anthropic:claude-haiku-5-5"
FLEET = Fleet(
    providers={kind: FleetProvider(kind=kind) for kind in ("openai", "azure", "anthropic")},
    models={"small": ModelAlias(target="azure:gpt-6-luna")},
)
HELLO = [{"role": "user", "content": "Hello"}]
SEARCH = [{"type": "web_search"}]


def template(**arguments: Any) -> Template:
    return Template(FleetView(FLEET), check_options({"model": MINI, "api": "responses", **arguments}))


def entry(made: Template, messages: list[dict[str, Any]] | None = None) -> JobRequest:
    return JobRequest.decode(made.entry("j1", Prepared.of(messages or HELLO)).request)


def skipped(messages: list[dict[str, Any]] | None = None, **arguments: Any) -> dict[str, str]:
    return dict(template(**arguments).fit(Prepared.of(messages or HELLO))[1])


def test_the_request_says_which_api_it_asks_for_and_usual_ones_are_as_before() -> None:
    asked = entry(template())
    assert (asked.api, asked.version) == (RESPONSES_API, REQUEST_VERSION)
    assert asked.call(MINI).api == RESPONSES_API
    assert JobRequest.decode(asked.encode()) == asked
    usual = template(api="chat").entry("j1", Prepared.of(HELLO)).request
    assert b'"api"' not in usual
    assert JobRequest.decode(usual).api == CHAT_API


def test_no_worker_that_does_not_know_it_can_take_it_for_a_usual_request() -> None:
    """Whatever version others write meanwhile: an older worker hands back what it cannot read."""
    assert b'{"v":2,' in request_head({}, [MINI], stream=False, version=1, api=RESPONSES_API)
    assert b'{"v":1,' in request_head({}, [MINI], stream=False, version=1)


def test_a_request_that_is_pinned_to_regions_is_left_to_workers_that_know_them() -> None:
    assert b'{"v":4,' in request_head({}, [MINI], version=1, regions=("eu",))


def test_another_value_is_named() -> None:
    with pytest.raises(InvalidRequest, match="api is 'assistants': expected chat or responses"):
        check_options({"model": MINI, "api": "assistants"})


def test_its_output_cap_is_known_to_budgets_and_fallbacks() -> None:
    assert entry(template(max_output_tokens=70)).params == {"max_tokens": 70}
    assert entry(template(max_output_tokens=70, max_tokens=60)).params == {"max_tokens": 60}
    with pytest.raises(InvalidRequest, match="max_output_tokens is 0"):
        template(max_output_tokens=0)
    assert check_options({"model": MINI, "max_output_tokens": 70}).params == {"max_output_tokens": 70}


def test_functions_may_be_given_in_either_shape_and_are_stored_in_one() -> None:
    flat = {"type": "function", "name": "now", "parameters": {"type": "object"}, "strict": True}
    nested = {"type": "function", "function": {name: value for name, value in flat.items() if name != "type"}}
    given = [flat, nested, *SEARCH]
    asked = check_options({"model": MINI, "api": "responses", "tools": given, "tool_choice": flat | {"strict": True}})
    assert asked.params["tools"] == [nested, nested, *SEARCH]
    assert asked.params["tool_choice"] == nested
    assert check_options({"model": MINI, "api": "responses", "tool_choice": "auto"}).params == {"tool_choice": "auto"}
    assert check_options({"model": MINI, "tools": [flat]}).params == {"tools": [flat]}


@pytest.mark.parametrize(
    "more",
    [
        {"params": {"previous_response_id": "resp_1"}},
        {"params": {"tools": SEARCH}},
        {"messages": [{"role": "assistant", "content": "Hi", ITEMS: [{"type": "reasoning"}]}]},
    ],
)
async def test_nothing_is_learned_of_tokens_from_what_the_provider_adds(more: dict[str, Any]) -> None:
    assert await learned({}) == 2, "of its prompts, and of its answers"
    assert await learned(more) == 0


async def learned(more: dict[str, Any]) -> int:
    """How many sums of a target a worker adds to the store's after one reply."""
    added: list[object] = []

    class Sums:
        keys = Keys("n")

        async def run(self, op: object) -> Learned:
            added.append(op)
            return Learned()

    learning = TokenLearning(cast(AsyncStore, Sums()))
    call = Call("of-no-known-encoding", **{"messages": HELLO, "params": {}, **more}, api=RESPONSES_API)
    learning.note("azure:of-no-known-encoding", call, Completion({}, Usage(100, 10)))
    await learning.flush()
    return len(added)


def test_replies_of_one_api_are_none_of_the_others() -> None:
    prepared = Prepared.of(HELLO)
    keys = {template(api=api, cache=True).common_for(prepared).cache_key for api in (None, "chat", "responses")}
    assert len(keys) == 2
    options = [check_options({"model": MINI, "api": api}) for api in (None, "chat", "responses")]
    assert len({digest(one, prepared) for one in options}) == 2


def test_embeddings_have_no_such_choice() -> None:
    with pytest.raises(InvalidRequest, match="api means nothing to embeddings"):
        ask_for_embeddings(["Hello"], {"model": "openai:text-embedding-3-small", "api": "responses"})


# -- who can do it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"instructions": "Be brief."}, "instructions"),
        ({"text": {"format": {"type": "json_object"}}}, "text.format"),
        ({"tools": SEARCH}, "the tool web_search"),
    ],
)
def test_targets_without_it_are_passed_over_only_where_nothing_else_will_do(
    arguments: dict[str, Any], needed: str
) -> None:
    chain = {"fallbacks": [HAIKU, "small"]}
    assert skipped(**arguments, **chain) == {HAIKU: f"it has no Responses API, which {needed} needs"}
    with pytest.raises(InvalidRequest, match=f"{HAIKU} cannot do this job: it has no Responses API"):
        skipped(model=HAIKU, **arguments)


def test_any_target_does_where_its_own_api_can() -> None:
    tool = {"type": "function", "function": {"name": "now"}}
    assert skipped(fallbacks=[HAIKU], truncation="auto", text={"verbosity": "low"}, tools=[tool]) == {}
    assert skipped(model=HAIKU) == {}
    assert skipped(fallbacks=[HAIKU], text={"form": "of no known shape"}) == {}


def test_audio_is_for_chat_completions() -> None:
    heard = [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}]
    with pytest.raises(InvalidRequest, match="its Responses API takes no audio"):
        skipped(heard)
    assert skipped(heard, api="chat") == {}


def test_a_provider_without_it_is_spared_its_parameters() -> None:
    call = Call("m", HELLO, {"truncation": "auto", "temperature": 1, "reasoning": {}}, api=RESPONSES_API)
    assert by_own_api(call) == Call("m", HELLO, {"temperature": 1})


# -- what it may cost -------------------------------------------------------------------------------------------------


def test_a_conversation_that_the_provider_keeps_has_no_bound() -> None:
    plain, recalled = (entry(template(**more)).options[0] for more in ({}, {"previous_response_id": "resp_1"}))
    assert plain.bound is not None
    assert recalled.bound is None
    view = FleetView(FLEET)
    calculator = NeedCalculator(view.prices, {"previous_response_id": "resp_1"}, RESPONSES_API)
    assert calculator.chat(plan(FLEET, Target.parse(MINI)), Prompt(HELLO, 50)).bound is None
    assert calculator.unbounded.startswith("previous_response_id: what it names is billed as input")
    parts = calculator.parts(Target("openai", "of-an-unknown-window"), Prompt(HELLO, 50))
    assert list(parts)[-1] == Part("conversation", 0, 2_000_000)


def test_what_the_provider_reads_beside_the_messages_counts() -> None:
    plain, told = (entry(template(**more)).options[0].bound for more in ({}, {"instructions": "Be brief. " * 100}))
    assert plain is not None
    assert told is not None
    # At the dearest input price, that of writing to the cache.
    assert told >= plain + 1000 * 125


def test_tools_that_the_provider_runs_have_no_price() -> None:
    """Their fees are no tokens: a budget could not hold, and the ledger would tell half of it."""
    option = entry(template(tools=SEARCH)).options[0]
    assert option.bound is None
    prices = FleetView(FLEET).prices
    calculator = NeedCalculator(prices, {"tools": SEARCH}, RESPONSES_API)
    assert calculator.chat(plan(FLEET, Target.parse(MINI)), Prompt(HELLO, 50)).bound is None
    with pytest.raises(InvalidRequest, match="tools that a provider runs itself have none"):
        check_affordable(template(tools=SEARCH), option.bound, 1_000_000)


def reply(*kinds: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Hi", ITEMS: [{"type": kind} for kind in kinds]}
    return {"choices": [{"message": message}]}


def test_a_reply_that_took_fees_is_unpriced_and_no_other() -> None:
    assert has_fees(reply("reasoning", "web_search_call", "message"))
    assert not has_fees(reply("reasoning", "function_call", "message"))
    assert not has_fees({"choices": [{"message": {"content": "Hi"}}]})
    assert not has_fees({})
    book = FleetBook(None, FLEET)  # type: ignore[arg-type]  # no store is asked
    assert book.price("of-a-package:m", Completion(reply("web_search_call"), Usage(10, 10))) is None
    assert book.price(MINI, Completion({}, Usage(10, 10, fees=(("code_interpreter_call", 1),)))) is None
    assert book.price(MINI, Completion({}, Usage(10, 10)))
