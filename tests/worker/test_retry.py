"""The retry and reroute table, row by row, without a provider."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import Completion, Quota, Usage
from homa_shared.model.records import State
from homa_shared.model.tokens import NOTHING_USED
from homa_shared.store.transitions.attempts import Claim
from homa_shared.store.transitions.next_target import NextTarget
from homa_workers.outcomes import reports
from homa_workers.outcomes.halting import Unsent, refused
from homa_workers.outcomes.outcomes import Deferred, Ended, Interrupted, Rerouted
from homa_workers.outcomes.retry_policy import BACKOFF, RULES, backoff_ms, decide
from homa_workers.providers import invalid_request

NEXT = NextTarget("anthropic:claude-haiku-5-5", "anthropic")


def claim(**changes: Any) -> Claim:
    plain = Claim(
        id="j1",
        attempt=1,
        request=b"{}",
        target="openai:gpt-6-luna",
        kind="j",
        queue="openai",
        lane="default",
        tenant="",
        batch="",
        custom_id="",
        tags="",
        left_ms=0,
        tries=1,
        max_attempts=6,
        expired_leases=0,
        bound=1000,
        on_ambiguous="retry",
        slack_ms=None,
        fallbacks_left=0,
        cache_key="",
        cost=0,
        unresolved=0,
        waited_ms=5,
        total_tokens=0,
        input_tokens=0,
        output_tokens=0,
        version=1,
    )
    return replace(plain, **changes)


def decided(kind: ErrorKind, *, switch: bool = True, retry_after_s: float | None = None, **changes: Any) -> Any:
    error = ProviderError(kind, "no", retry_after_s=retry_after_s)
    return decide(claim(**changes), error, lambda: NEXT, switch=switch, draw=lambda: 0.5)


def test_every_signal_has_a_row() -> None:
    assert set(RULES) == set(ErrorKind)


@pytest.mark.parametrize(
    "kind",
    [ErrorKind.OVERLOADED, ErrorKind.UNREACHABLE, ErrorKind.AMBIGUOUS, ErrorKind.CONFLICT, ErrorKind.MALFORMED],
)
def test_what_may_pass_is_tried_again_then_elsewhere_then_given_up(kind: ErrorKind) -> None:
    assert isinstance(decided(kind, fallbacks_left=1), Deferred)
    moved = decided(kind, tries=2, fallbacks_left=1)
    assert isinstance(moved, Rerouted)
    assert (moved.to, moved.counts) == (NEXT, True)
    assert isinstance(decided(kind, tries=2), Deferred)
    ended = decided(kind, tries=6, fallbacks_left=1)
    assert isinstance(ended, Ended)
    assert ended.state is State.FAILED


@pytest.mark.parametrize("kind", [ErrorKind.INVALID_REQUEST, ErrorKind.CONTENT_POLICY, ErrorKind.INTERNAL])
def test_what_cannot_pass_ends_the_job_at_once(kind: ErrorKind) -> None:
    assert isinstance(decided(kind, fallbacks_left=3), Ended)


def test_a_paid_reply_that_cannot_be_used_is_bought_once_more_at_most() -> None:
    kind = ErrorKind.UNUSABLE_REPLY
    assert isinstance(decided(kind), Deferred)
    assert isinstance(decided(kind, fallbacks_left=1), Deferred)
    assert isinstance(decided(kind, tries=2), Ended)
    assert isinstance(decided(kind, tries=2, fallbacks_left=1), Rerouted)
    assert isinstance(decided(kind, tries=3, fallbacks_left=1), Rerouted)


def test_a_content_policys_refusal_goes_on_only_where_the_job_says_so() -> None:
    kind = ErrorKind.CONTENT_POLICY
    assert isinstance(decided(kind, on_content_policy="reroute", fallbacks_left=1), Rerouted)
    assert isinstance(decided(kind, on_content_policy="reroute"), Ended)
    assert isinstance(decided(kind, on_content_policy="reroute", fallbacks_left=1, switch=False), Ended)
    assert isinstance(decided(kind, on_content_policy="reroute", fallbacks_left=1, tries=6), Ended)
    assert isinstance(decided(ErrorKind.INVALID_REQUEST, on_content_policy="reroute", fallbacks_left=1), Ended)


@pytest.mark.parametrize(
    "kind",
    [
        *(ErrorKind.QUOTA_EXHAUSTED, ErrorKind.UNAUTHORIZED),
        *(ErrorKind.MODEL_NOT_FOUND, ErrorKind.NOT_FOUND, ErrorKind.CONTEXT_TOO_LONG),
        ErrorKind.UNSUPPORTED_BY_MODEL,
    ],
)
def test_what_only_another_target_can_do_goes_there_or_ends(kind: ErrorKind) -> None:
    assert isinstance(decided(kind, fallbacks_left=1), Rerouted)
    assert isinstance(decided(kind), Ended)
    assert isinstance(decided(kind, fallbacks_left=1, switch=False), Ended)


def test_a_rate_limited_job_waits_in_its_group_as_long_as_it_bears() -> None:
    waiting = decided(ErrorKind.RATE_LIMITED, retry_after_s=10, fallbacks_left=1, tries=99)
    assert (waiting.delay_ms, waiting.counts) == (0, False)
    moved = decided(ErrorKind.RATE_LIMITED, retry_after_s=31, fallbacks_left=1)
    assert isinstance(moved, Rerouted)
    assert not moved.counts
    assert isinstance(decided(ErrorKind.RATE_LIMITED, retry_after_s=31, lane="bulk", fallbacks_left=1), Deferred)
    assert isinstance(decided(ErrorKind.RATE_LIMITED, retry_after_s=2, slack_ms=1000, fallbacks_left=1), Rerouted)
    assert isinstance(decided(ErrorKind.RATE_LIMITED, retry_after_s=3600), Deferred)


def test_refusals_without_a_wait_count_in_the_end() -> None:
    assert not decided(ErrorKind.RATE_LIMITED, attempt=100).counts
    counted = decided(ErrorKind.RATE_LIMITED, attempt=101, retry_after_s=0.0)
    assert (counted.counts, counted.delay_ms) == (True, 375)
    assert isinstance(decided(ErrorKind.RATE_LIMITED, attempt=106, tries=6), Ended)
    assert not decided(ErrorKind.RATE_LIMITED, attempt=5000, retry_after_s=20).counts, "its provider names a wait"


def test_no_word_of_a_provider_stops_a_job_or_an_account_for_more_than_an_hour() -> None:
    month = 31 * 86_400.0
    assert decided(ErrorKind.OVERLOADED, retry_after_s=month).delay_ms == 3_600_000
    for kind in (ErrorKind.QUOTA_EXHAUSTED, ErrorKind.UNAUTHORIZED, ErrorKind.MODEL_NOT_FOUND):
        error = ProviderError(kind, "no", retry_after_s=month)
        assert reports.of_error(claim(), error, None, 5).cool_ms == 3_600_000
    short = ProviderError(ErrorKind.QUOTA_EXHAUSTED, "no", retry_after_s=0.001)
    assert reports.of_error(claim(), short, None, 5).cool_ms == 1000


@pytest.mark.parametrize(
    ("status", "code", "health"),
    [(403, None, "resource"), (403, "permission_error", "account"), (401, None, "account")],
)
def test_a_403_without_a_code_may_be_of_one_model_alone(status: int, code: str | None, health: str) -> None:
    error = ProviderError(ErrorKind.UNAUTHORIZED, "no", status=status, code=code)
    report = reports.of_error(claim(), error, None, 5)
    assert (report.health, report.cool_ms) == (health, 60_000)


def test_a_batch_pauses_where_each_line_would_meet_the_same_wall() -> None:
    paused = decided(ErrorKind.UNAUTHORIZED, batch="b1", fallbacks_left=1)
    assert paused.pause_batch.startswith("openai:gpt-6-luna: unauthorized")
    assert not paused.counts
    assert decided(ErrorKind.QUOTA_EXHAUSTED, batch="b1").pause_batch
    assert isinstance(decided(ErrorKind.QUOTA_EXHAUSTED, batch="b1", fallbacks_left=1), Rerouted)


def test_a_chain_whose_rest_cannot_do_it_stays_where_it_is() -> None:
    error = ProviderError(ErrorKind.OVERLOADED, "no")
    assert isinstance(decide(claim(tries=2, fallbacks_left=1), error, lambda: None), Deferred)
    gone = ProviderError(ErrorKind.MODEL_NOT_FOUND, "no")
    assert isinstance(decide(claim(fallbacks_left=1), gone, lambda: None), Ended)


def test_backoff_doubles_with_jitter_up_to_a_minute() -> None:
    assert [backoff_ms(n, lambda: 1.0) for n in (1, 2, 3)] == [500, 1000, 2000]
    assert backoff_ms(1, lambda: 0.0) == 250
    assert backoff_ms(50, lambda: 1.0) == BACKOFF.longest_s * 1000
    assert decided(ErrorKind.OVERLOADED, retry_after_s=7).delay_ms == 7000


def test_what_this_side_cut_teaches_breakers_nothing() -> None:
    report = reports.of_error(claim(), Interrupted("cancelled", "in mid-call"), None, 5)
    assert (report.outcome, report.charge, report.health) == ("cancelled", Charge.UNRESOLVED, "")


def test_what_was_never_sent_takes_no_quota() -> None:
    report = reports.of_error(claim(), Unsent("stopped", "before its call"), None, 5)
    assert (report.charge, report.used) == (Charge.NONE, NOTHING_USED)
    cut = reports.of_error(claim(), Interrupted("stopped", "in mid-call"), None, 5)
    assert cut.used is None, "it may have been counted"


def halted() -> ProviderError:
    outcome = refused("unreadable").outcome
    assert isinstance(outcome, Ended)
    return outcome.error


@pytest.mark.parametrize("error", [halted(), invalid_request.refused("n", "one choice")])
def test_what_this_side_refuses_to_send_teaches_breakers_nothing_and_takes_no_quota(error: ProviderError) -> None:
    report = reports.of_error(claim(), error, None, 5)
    assert (report.outcome, report.charge) == ("invalid_request", Charge.NONE)
    assert (report.health, report.used) == ("", NOTHING_USED)
    assert decide(claim(), error, lambda: None) == Ended(error, State.FAILED)


def test_a_refusal_with_usage_is_charged_at_it() -> None:
    error = ProviderError(ErrorKind.CONTENT_POLICY, "no", usage=Usage(10, 5))
    report = reports.of_error(claim(), error, 70, 5)
    assert (report.charge, report.nano, report.input, report.output) == (Charge.ACTUAL, 70, 10, 5)


def test_an_account_cools_for_as_long_as_the_provider_says() -> None:
    def cool(after: float | None) -> int | None:
        error = ProviderError(ErrorKind.QUOTA_EXHAUSTED, "no", retry_after_s=after)
        return reports.of_error(claim(), error, None, 5).cool_ms

    assert (cool(5), cool(None)) == (5000, 60_000)


def test_a_reply_without_usage_leaves_its_cost_open() -> None:
    report = reports.of_success(claim(), Completion({}, Usage(), metered=False), None, None)
    assert (report.outcome, report.charge) == ("succeeded", Charge.UNRESOLVED)


def test_headers_about_limits_are_passed_on() -> None:
    completion = Completion({}, Usage(1, 1), quota=Quota(limit_requests=500, limit_tokens=None))
    assert reports.of_success(claim(), completion, 1, None).limits == (500, 0)
