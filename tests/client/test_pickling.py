"""Clients, handles, replies and errors can be pickled: they carry names, and no secret."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel

import homa as package
from homa import (
    AsyncHoma,
    BudgetExceeded,
    ConfigError,
    FilesSummary,
    Homa,
    HomaError,
    JobFailed,
    KeyConflict,
    MissingExtra,
    Piece,
    RunStopped,
    StoreUnavailable,
)
from homa.drivers.source import ClientSource
from homa_shared.settings.model import Settings, load_settings
from homa_shared.store.address import StoreAddress
from tests.client.conftest import FakeWorker, echo
from tests.patience import PATIENCE_S

Workers = Callable[..., FakeWorker]
MODEL = "openai:gpt-6-luna"
SUMMARY = FilesSummary("b1", "out.csv", 2, 1, 1, 0, 0, 0, {"new": 2}, {}, Decimal("0.5"), Decimal(0), 0, 1.5)


class Invoice(BaseModel):
    number: str


def test_a_handle_goes_on_in_another_process(homa: Homa, workers: Workers, tmp_path: Path) -> None:
    workers(echo)
    job, batch = homa.submit("Hi", model=MODEL), homa.submit_batch(["a", "b"], model=MODEL)
    (tmp_path / "handles").write_bytes(pickle.dumps((homa, job, batch)))
    program = (
        "import pickle; homa, job, batch = pickle.load(open('handles', 'rb'));"
        f"print(job.result({PATIENCE_S}), len(list(batch.results())), homa.job(job.id).state())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "Hi 2 succeeded\n", done.stderr


def test_handles_keep_their_type_and_share_a_connection(homa: Homa, workers: Workers) -> None:
    workers(lambda claim, request: '{"number": "7"}')
    jobs = [homa.submit("Hi", model=MODEL, schema=Invoice) for _ in range(3)]
    again = [pickle.loads(pickle.dumps(job)) for job in jobs]
    assert [job.result(PATIENCE_S).parsed for job in again] == [Invoice(number="7")] * 3
    assert len({id(job._driver) for job in again}) == 1
    reply = pickle.loads(pickle.dumps(again[0].result()))
    assert (reply.parsed, reply.job_id) == (Invoice(number="7"), jobs[0].id)
    (line,) = homa.submit_batch(["a"], model=MODEL).results()
    assert pickle.loads(pickle.dumps(line)) == line


async def test_handles_of_a_loop_go_on_in_it(settings: Settings, workers: Workers) -> None:
    workers(echo)
    async with AsyncHoma(settings=settings) as homa:
        job = await homa.submit("Hi", model=MODEL)
        other, again = pickle.loads(pickle.dumps((homa, job)))
        assert (await asyncio.wait_for(again.result(), PATIENCE_S)).text == "Hi"
        assert (await other.submit("Ho", model=MODEL)).id != job.id
        await other.aclose()
        await again._driver.aclose()


def test_no_secret_is_pickled_and_none_is_needed_where_the_settings_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "rediss://me:hunter2@store.example:6380/1?ssl_cert_reqs=required"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "homa.toml").write_text('[providers.openai]\napi_key = "sk-swordfish"\n')
    homa = Homa(redis_url=url, namespace="n7")
    carried = pickle.dumps((homa, homa.job("j1")))
    assert not any(secret in carried for secret in (b"hunter2", b"swordfish", b"me:"))
    found, job = pickle.loads(carried)
    with pytest.raises(ConfigError, match=r"a client of rediss://store.example.* was pickled, .*set HOMA_REDIS_URL"):
        job.state()
    monkeypatch.setenv("HOMA_REDIS_URL", url)
    assert pickle.loads(carried)[0]._context.settings.redis_url == url
    assert pickle.loads(carried)[0]._context.settings.namespace == "n7"
    del found


def test_an_open_store_is_found_wherever_the_settings_lead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = pickle.loads(pickle.dumps(Homa(redis_url="redis://127.0.0.1:1/0")))
    monkeypatch.setenv("HOMA_REDIS_URL", "redis://elsewhere.example/0")
    assert found._context.settings.redis_url == "redis://127.0.0.1:1/0"
    with pytest.raises(StoreUnavailable):
        found.limits()


def test_a_client_of_an_embedded_store_carries_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(env={"HOMA_HOME": str(tmp_path / "home")}, cwd=tmp_path)
    carried = pickle.dumps(Homa(settings=settings))
    monkeypatch.setenv("HOMA_REDIS_URL", "redis://elsewhere.example/0")
    found = pickle.loads(carried)
    assert found._context.settings.redis_url is None
    assert found._context.settings.home == tmp_path / "home"
    assert not found._context.owns_fleet
    with pytest.raises(StoreUnavailable):
        found.limits()
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("redis://h:1/0", "redis://h:1/0"),
        ("redis://:p%40ss@h/0", "redis://h/0"),
        ("unix://u:p@/tmp/s?db=2", "unix:///tmp/s?db=2"),
        ("redis+sentinel://u:p@a:1,b:2/s/0?sentinel_username=x&sentinel_password=y", "redis+sentinel://a:1,b:2/s/0"),
    ],
)
def test_a_store_is_named_without_its_credentials(url: str, named: str) -> None:
    assert StoreAddress.parse(url).nameless() == named


def test_an_open_batch_says_that_it_cannot_be_pickled(homa: Homa) -> None:
    with pytest.raises(TypeError, match="an open batch cannot be pickled"):
        pickle.dumps(homa.open_batch(model=MODEL))


def test_errors_and_pieces_survive() -> None:
    for error in (
        JobFailed("it broke", job_id="j1", attempts=[1]),
        KeyConflict("used", job_id="j2"),
        MissingExtra("embed", "workers"),
        BudgetExceeded("too dear"),
        RunStopped("too many failed", SUMMARY),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.__dict__) == (type(error), str(error), error.__dict__)
    kinds = [getattr(package, name) for name in package.__all__]
    errors = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, HomaError)]
    assert len(errors) > 15
    for kind in set(errors) - {MissingExtra, RunStopped}:
        assert str(pickle.loads(pickle.dumps(kind("why")))) == "why"
    piece = pickle.loads(pickle.dumps(Piece("a", id="1-0", attempt=2, event="restarted")))
    assert (piece, piece.id, piece.attempt, piece.event) == ("a", "1-0", 2, "restarted")


def test_a_source_is_what_is_carried(settings: Settings) -> None:
    with Homa(settings=settings) as homa:
        source = homa.__getstate__()
    assert isinstance(source, ClientSource)
    assert source.namespace == settings.namespace
