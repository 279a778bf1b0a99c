"""How long a provider asks to be left alone, in every form that is seen of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from homa_shared.calls.reply import Call
from tests.providers.conftest import Connect
from tests.providers.failing_calls import BOTH, failure
from tests.providers.stub import Stub, reply


def _date(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def _unix(seconds: int) -> str:
    return str(int(time.time()) + seconds)


def _iso(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@BOTH
@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        pytest.param({"retry-after-ms": "1500", "retry-after": "60"}, 1.5, 1.5, id="milliseconds first"),
        pytest.param({"retry-after": "20"}, 20, 20, id="seconds"),
        pytest.param({"retry-after": "0.25"}, 0.25, 0.25, id="parts of a second"),
        pytest.param({"retry-after": _date(3600)}, 3000, 3600, id="a date"),
        pytest.param({"retry-after": "Sun, 06 Nov 1994 08:49:37 -0000"}, 0, 0, id="a date long past"),
        pytest.param({"retry-after": "-5"}, 0, 0, id="less than nothing"),
        pytest.param({"retry-after": "soon"}, None, None, id="words"),
        pytest.param({"retry-after": "nan"}, None, None, id="no number"),
        pytest.param({"retry-after": _unix(3600)}, 3000, 3600, id="a Unix time"),
        pytest.param({"retry-after": _unix(3600) + "500"}, 3000, 3601, id="a Unix time in ms"),
        pytest.param({"retry-after-ms": _unix(3600) + "500"}, 3000, 3601, id="a Unix time in ms where ms are meant"),
        pytest.param({"retry-after": _unix(-3600)}, 0, 0, id="a Unix time that has passed"),
        pytest.param({"retry-after": _iso(3600)}, 3000, 3600, id="a date of ISO 8601"),
        pytest.param({"retry-after": "1m30s"}, 90, 90, id="minutes and seconds"),
        pytest.param({"retry-after": "500ms"}, 0.5, 0.5, id="with its unit"),
        pytest.param({"retry-after": "1e30"}, 2_678_400, 2_678_400, id="longer than anything turns"),
        pytest.param({"retry-after": "inf"}, None, None, id="for ever"),
        pytest.param({}, None, None, id="nothing"),
    ],
)
async def test_the_wait_that_a_provider_asks_for_is_read(
    stub: Stub, connect: Connect, hello: Call, kind: str, headers: dict[str, str], low: float, high: float
) -> None:
    stub.answer = reply(429, b"slow down", headers)
    error = await failure(connect(kind, stub.url).complete(hello))
    if low is None:
        assert error.retry_after_s is None
    else:
        assert error.retry_after_s is not None
        assert low <= error.retry_after_s <= high
