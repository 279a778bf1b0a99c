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


def _moments() -> dict[str, str]:
    """An hour from now, and an hour ago. Not before the test runs: the others may take longer than that."""
    now, hour = datetime.now(UTC), timedelta(hours=1)
    seconds = int(time.time())
    return {
        "date": format_datetime(now + hour, usegmt=True),
        "iso": (now + hour).isoformat(),
        "unix": str(seconds + 3600),
        "past": str(seconds - 3600),
    }


@BOTH
@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        pytest.param({"retry-after-ms": "1500", "retry-after": "60"}, 1.5, 1.5, id="milliseconds first"),
        pytest.param({"retry-after": "20"}, 20, 20, id="seconds"),
        pytest.param({"retry-after": "0.25"}, 0.25, 0.25, id="parts of a second"),
        pytest.param({"retry-after": "{date}"}, 3000, 3600, id="a date"),
        pytest.param({"retry-after": "Sun, 06 Nov 1994 08:49:37 -0000"}, 0, 0, id="a date long past"),
        pytest.param({"retry-after": "-5"}, 0, 0, id="less than nothing"),
        pytest.param({"retry-after": "soon"}, None, None, id="words"),
        pytest.param({"retry-after": "nan"}, None, None, id="no number"),
        pytest.param({"retry-after": "{unix}"}, 3000, 3600, id="a Unix time"),
        pytest.param({"retry-after": "{unix}500"}, 3000, 3601, id="a Unix time in ms"),
        pytest.param({"retry-after-ms": "{unix}500"}, 3000, 3601, id="a Unix time in ms where ms are meant"),
        pytest.param({"retry-after": "{past}"}, 0, 0, id="a Unix time that has passed"),
        pytest.param({"retry-after": "{iso}"}, 3000, 3600, id="a date of ISO 8601"),
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
    moments = _moments()
    stub.answer = reply(429, b"slow down", {name: value.format(**moments) for name, value in headers.items()})
    error = await failure(connect(kind, stub.url).complete(hello))
    if low is None:
        assert error.retry_after_s is None
    else:
        assert error.retry_after_s is not None
        assert low <= error.retry_after_s <= high
