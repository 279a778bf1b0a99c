"""Methods of one's own on a client."""

from __future__ import annotations

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from homa import AsyncHoma, ConfigError, Homa
from tests.commands_b.stand import Stand
from tests.plugins.packages import Site

REPORTS = """
from __future__ import annotations

from homa import Homa


class Reports:
    def __init__(self, homa: Homa) -> None:
        self.homa = homa

    def busy(self) -> int:
        return sum(row.queued for row in self.homa.queues())
"""
POINTS = {"homa.client": {"reports": "acme_reports:Reports"}}


class Counts:
    def __init__(self, homa: Homa) -> None:
        self.homa = homa

    def waiting(self) -> int:
        return sum(row.queued for row in self.homa.queues())


class AsyncCounts:
    def __init__(self, homa: AsyncHoma) -> None:
        self.homa = homa

    async def waiting(self) -> int:
        return sum(row.queued for row in await self.homa.queues())


def test_a_class_of_ones_own_has_the_client(stand: Stand) -> None:
    stand.homa.submit("Hi", model="openai:gpt-6-luna", max_tokens=5)
    assert stand.homa.ext[Counts].waiting() == 1
    assert stand.homa.ext[Counts] is stand.homa.ext[Counts]


def test_threads_that_ask_at_once_get_the_same_one(stand: Stand) -> None:
    others: list[object] = []

    class Slow:
        def __init__(self, homa: Homa) -> None:
            if not others:
                others.append(None)
                with ThreadPoolExecutor(1) as another:
                    others.append(another.submit(lambda: homa.ext[Slow]).result())

    first = stand.homa.ext[Slow]
    assert first is others[1]
    assert first is stand.homa.ext[Slow]


async def test_so_it_is_with_an_asynchronous_one(stand: Stand) -> None:
    async with AsyncHoma(settings=stand.settings) as homa:
        assert await homa.ext[AsyncCounts].waiting() == 0


def test_a_package_brings_one_by_name(site: Site, stand: Stand) -> None:
    site.install("acme-reports", POINTS, acme_reports=REPORTS)
    assert stand.homa.ext.reports.busy() == 0
    assert stand.homa.ext.reports is stand.homa.ext.reports
    assert "reports" in dir(stand.homa.ext)


def test_one_that_no_package_brings_is_no_attribute(site: Site, stand: Stand) -> None:
    site.install("acme-reports", POINTS, acme_reports=REPORTS)
    with pytest.raises(
        AttributeError, match="no installed package brings the client extension 'report'; there is: rep"
    ):
        _ = stand.homa.ext.report
    assert not hasattr(stand.homa.ext, "_private")


def test_a_broken_one_is_named(site: Site, stand: Stand) -> None:
    site.install("acme-reports", POINTS, acme_reports="Reports = 5")
    with pytest.raises(ConfigError, match=r"client extension 'reports' of acme-reports 1\.2 is 5; expected a class or"):
        _ = stand.homa.ext.reports


def test_one_is_not_loaded_where_plugins_are_turned_off(site: Site, stand: Stand) -> None:
    site.install("acme-reports", POINTS, acme_reports=REPORTS)
    with (
        Homa(settings=stand.settings.model_copy(update={"plugins": "none"})) as homa,
        pytest.raises(ConfigError, match=r"is not loaded, since plugins = \"none\""),
    ):
        _ = homa.ext.reports
    assert "acme_reports" not in sys.modules


def test_a_client_with_extensions_can_be_pickled(stand: Stand) -> None:
    assert stand.homa.ext[Counts].waiting() == 0
    again = pickle.loads(pickle.dumps(stand.homa))
    assert again.ext[Counts].waiting() == 0
    again.close()
