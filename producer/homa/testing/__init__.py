"""Tests of applications that use Homa: fast, without network, with answers that the test writes down.

    from homa.testing import RateLimited, fake

    def test_summary():
        with fake({"Summarise*": ["short"], "*": RateLimited(retry_after_s=2)}) as homa:
            assert summarise("a long text") == "short"
            homa.assert_submitted("Summarise*", times=1)

Jobs run through Homa's own scripts on a real store, and through its own workers in a thread of this process: retries,
fallbacks, limits, budgets, caches and costs are those of production. Only the providers are replaced.
"""

from __future__ import annotations

from homa.testing.answers import (
    Answer,
    ContentRefused,
    Fails,
    Overloaded,
    RateLimited,
    Refused,
    ServerError,
    TimedOut,
    Unauthorized,
    Unreachable,
)
from homa.testing.calls import FakeCall
from homa.testing.fakes import Fake, FakeAsyncHoma, FakeHoma, fake
from homa.testing.script import UnexpectedCall

__all__ = [
    "Answer",
    "ContentRefused",
    "Fails",
    "Fake",
    "FakeAsyncHoma",
    "FakeCall",
    "FakeHoma",
    "Overloaded",
    "RateLimited",
    "Refused",
    "ServerError",
    "TimedOut",
    "Unauthorized",
    "UnexpectedCall",
    "Unreachable",
    "fake",
]
