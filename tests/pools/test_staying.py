"""When a job goes back to its pool instead of where the retry table would send it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.store.transitions.attempts import Claim
from homa_workers.outcomes.retry_policy import stay_in_pool

CLAIM = Claim(
    id="j", attempt=1, request=b"", target="one:m", kind="j", queue="pool-fast", lane="default", tenant="", batch="",
    custom_id="", tags="", left_ms=0, tries=1, max_attempts=6, expired_leases=0, bound=1, on_ambiguous="retry",
    slack_ms=None, fallbacks_left=1, cache_key="", cost=0, unresolved=0, waited_ms=0, total_tokens=0, input_tokens=0,
    output_tokens=0, version=1,
)  # fmt: skip


def stays(kind: ErrorKind, *, members: int = 2, **changed: int) -> bool:
    return stay_in_pool(replace(CLAIM, **changed), ProviderError(kind, "no"), members) is not None


@pytest.mark.parametrize("kind", [ErrorKind.UNAUTHORIZED, ErrorKind.QUOTA_EXHAUSTED, ErrorKind.MODEL_NOT_FOUND])
def test_what_is_wrong_with_one_account_is_tried_at_each_other_once(kind: ErrorKind) -> None:
    assert stays(kind)
    assert not stays(kind, tries=2), "each of two had its turn"
    assert stays(kind, tries=2, members=3)
    assert not stays(kind, max_attempts=1)


def test_a_rate_limit_waits_in_the_pool_as_often_as_it_takes() -> None:
    assert stays(ErrorKind.RATE_LIMITED, tries=5)


@pytest.mark.parametrize("kind", [ErrorKind.OVERLOADED, ErrorKind.AMBIGUOUS, ErrorKind.CONTENT_POLICY])
def test_the_table_decides_all_else(kind: ErrorKind) -> None:
    assert not stays(kind)


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_outside_of_pools_the_table_decides_everything(kind: ErrorKind) -> None:
    assert not stays(kind, members=1)
