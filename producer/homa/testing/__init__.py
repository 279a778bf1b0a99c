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

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

#: Loaded at first use: pytest imports this package wherever Homa is installed, for its plugin.
_LAZY = {
    "Answer": "homa.testing.answers",
    "ContentRefused": "homa.testing.answers",
    "Fails": "homa.testing.answers",
    "Fake": "homa.testing.fakes",
    "FakeAsyncHoma": "homa.testing.fakes",
    "FakeCall": "homa.testing.calls",
    "FakeHoma": "homa.testing.fakes",
    "Overloaded": "homa.testing.answers",
    "RateLimited": "homa.testing.answers",
    "Refused": "homa.testing.answers",
    "ServerError": "homa.testing.answers",
    "TimedOut": "homa.testing.answers",
    "Unauthorized": "homa.testing.answers",
    "UnexpectedCall": "homa.testing.script",
    "Unreachable": "homa.testing.answers",
    "fake": "homa.testing.fakes",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
