"""The output cap that a job gets where its caller sets none."""

from __future__ import annotations

from homa.submit.encoded_messages import Prepared
from homa.submit.fleet_view import FleetView
from homa.submit.messages import build_messages
from homa.submit.options import check_options
from homa.submit.template import Template
from homa_shared.calls.request import JobRequest
from homa_shared.kinds.output_caps import cap_of
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import LimitSettings, ModelAlias

PLAIN, THINKER = "openai:gpt-4o-mini", "openai:gpt-6-luna"


def fleet(**limits: int) -> Fleet:
    providers = {
        "openai": FleetProvider(kind="openai", limits=LimitSettings(**limits)),
        "other": FleetProvider(kind="openai"),
        "anthropic": FleetProvider(kind="anthropic", limits=LimitSettings(**limits)),
        "azure": FleetProvider(kind="azure", limits=LimitSettings(**limits)),
    }
    models = {
        "ours": ModelAlias(target="azure:depot", model="gpt-6-luna"),
        "short": ModelAlias(target=THINKER, defaults={"max_tokens": 50}),
        "newer": ModelAlias(target=THINKER, defaults={"max_completion_tokens": 50}),
        "responses": ModelAlias(target=THINKER, defaults={"max_output_tokens": 50}),
        "both": ModelAlias(pool=("other:gpt-4o-mini", THINKER)),
    }
    return Fleet(providers=providers, models=models)


def stored(
    model: str,
    *fallbacks: str,
    of: Fleet | None = None,
    answers: dict[str, int | None] | None = None,
    **more: object,
) -> tuple[Template, JobRequest]:
    view = FleetView(of or fleet())
    view.answers = answers or {}
    template = Template(view, check_options({"model": model, "fallbacks": fallbacks, **more}))
    entry = template.entry("j1", Prepared.of(build_messages("Hi", None, None)))
    return template, JobRequest.decode(entry.request)


def test_a_model_that_thinks_gets_room_and_its_bound_counts_it() -> None:
    template, request = stored(THINKER)
    assert (request.params["max_tokens"], request.caps, template.has_own_cap) == (32_768, (), True)
    short = stored(THINKER, max_tokens=4096)[1]
    assert (request.options[0].bound or 0) > 7 * (short.options[0].bound or 0)


def test_each_target_of_a_chain_has_its_own_and_older_workers_take_the_least() -> None:
    _, request = stored(THINKER, PLAIN)
    assert (request.params["max_tokens"], request.caps) == (4096, (32_768, 4096))
    assert [request.call(target, left).params["max_tokens"] for target, left in ((THINKER, 1), (PLAIN, 0))] == [
        32_768,
        4096,
    ]
    assert request.options[0] == stored(THINKER)[1].options[0]
    assert request.options[1] == stored(PLAIN)[1].options[0]
    assert JobRequest.decode(request.encode()).caps == request.caps


def test_the_members_of_a_pool_take_the_least() -> None:
    assert stored("both")[1].params["max_tokens"] == 4096


def test_what_the_caller_or_the_alias_says_stands() -> None:
    assert stored(THINKER, PLAIN, max_tokens=7)[1].caps == ()
    template, request = stored("short")
    assert (request.params["max_tokens"], template.has_own_cap) == (50, False)


def test_the_callers_cap_stands_above_the_aliass_whatever_their_names() -> None:
    for alias, api in (("short", "chat"), ("newer", "chat"), ("newer", "responses"), ("responses", "responses")):
        assert cap_of(stored(alias, api=api, max_tokens=7)[1].params) == 7
        assert cap_of(stored(alias, api=api)[1].params) == 50
    assert stored("newer", api="responses", max_output_tokens=7)[1].params == {"max_tokens": 7}
    assert stored("responses", api="responses")[1].params == {"max_tokens": 50}


def test_a_deployment_goes_by_the_model_that_its_alias_names() -> None:
    assert stored("ours")[1].params["max_tokens"] == 32_768


def test_a_quota_that_counts_the_cap_keeps_it_small_and_others_do_not() -> None:
    limited = fleet(tpm=300_000)
    _, request = stored(THINKER, of=limited)
    assert request.params["max_tokens"] == 10_000
    assert request.options[0].tokens.total == 10_000
    assert stored("anthropic:claude-opus-5-5", of=limited)[1].params["max_tokens"] == 32_768


def test_once_it_is_known_what_a_target_writes_a_counted_cap_goes_by_it() -> None:
    limited = fleet(tpm=3_000_000)
    for tokens, cap in ((None, 32_768), (9000, 32_768), (1000, 8000), (50, 4096)):
        request = stored(THINKER, of=limited, answers={THINKER: tokens})[1]
        assert (request.params["max_tokens"], request.options[0].tokens.total) == (cap, cap)


def test_quota_that_counts_what_is_written_is_reserved_by_what_is_known_and_budgets_by_the_cap() -> None:
    limited, target = fleet(output_tpm=80_000), "anthropic:claude-opus-5-5"
    unknown, known = (stored(target, of=limited, answers={target: tokens})[1] for tokens in (None, 3000))
    assert [request.options[0].tokens.output for request in (unknown, known)] == [512, 3000]
    assert unknown.options[0].bound == known.options[0].bound
    short = stored(target, of=limited, answers={target: 3000}, max_tokens=100)[1]
    assert short.options[0].tokens.output == 100


def test_equal_requests_share_their_cached_reply_whatever_cap_was_chosen() -> None:
    prepared = Prepared.of(build_messages("Hi", None, None))
    keys = [
        stored(THINKER, of=fleet(tpm=tpm), cache=True, **more)[0].common_for(prepared).cache_key
        for tpm, more in ((300_000, {}), (600_000, {}), (300_000, {"max_tokens": 10_000}))
    ]
    assert keys[0] == keys[1] != keys[2]
