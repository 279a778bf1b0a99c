"""A fake fleet keeps a test away from production: its store, its blobs, its providers, its keys."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from homa import AsyncHoma, Homa, StoreUnavailable
from homa.cli import main
from homa.client.crew import WorkerSupervisor
from homa.client.local_workers import Workers
from homa.drivers import fake_in_force
from homa.supervision import processes
from homa.testing import fake
from homa_shared.model.errors import ConfigError
from homa_shared.settings.model import load_settings
from homa_shared.store.connection import StoreAddress
from homa_workers.process.build import build
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S

LUNA, HAIKU = "openai:gpt-6-luna", "anthropic:claude-haiku-5-5"
PICTURE = b"\x89PNG\r\n\x1a\n" + b"x" * 100_000


@pytest.fixture
def production(store_url: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose settings lead to a store, a bucket and accounts of its own; its directory."""
    for name in ("HOMA_CONFIG", "HOMA_BLOBS", "HOMA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOMA_REDIS_URL", store_url)
    monkeypatch.setenv("HOMA_NAMESPACE", namespace)
    (tmp_path / "homa.toml").write_text(
        f'home = "{tmp_path / "home"}"\nblobs = "{tmp_path / "bucket"}"\nblobs_above = 1024\n'
        + "".join(
            f'[providers.{name}]\nkind = "{name}"\napi_key = "sk-real"\nbase_url = "http://127.0.0.1:9"\n'
            for name in ("openai", "anthropic")
        )
    )
    (tmp_path / "bucket").mkdir()
    return tmp_path


def test_large_media_and_replies_stay_out_of_the_projects_blob_store(production: Path) -> None:
    with fake({"large*": "y" * 5000, "*": "seen"}) as homa:
        assert homa.submit("look", model=LUNA, images=[PICTURE]).result(PATIENCE_S).text == "seen"
        with Homa() as own:
            assert own.submit("look", model=HAIKU, images=[PICTURE]).result(PATIENCE_S).text == "seen"
            assert own.submit("large" + "x" * 5000, model=LUNA).result(PATIENCE_S).text == "y" * 5000
    assert list((production / "bucket").iterdir()) == []
    assert not (production / "home").exists()


def test_a_process_that_the_test_starts_stays_out_of_it_too(production: Path) -> None:
    code = "from homa import Homa; s = Homa()._context.settings; print(s.namespace, s.blobs, s.home)"
    with fake() as homa:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        settings = homa.fake.settings
        assert done.stdout.split() == [settings.namespace, settings.blobs, str(settings.home)]
    assert "HOMA_BLOBS" not in os.environ


@pytest.mark.parametrize("workers", ["auto", 1])
def test_a_local_client_starts_no_workers_in_it(
    production: Path, monkeypatch: pytest.MonkeyPatch, workers: Workers
) -> None:
    started: list[WorkerSupervisor] = []
    monkeypatch.setattr(WorkerSupervisor, "start", started.append)
    with fake("FAKE") as homa, Homa.local(workers=workers, namespace="of-the-application") as own:
        assert [own.submit(text, model=LUNA).result(PATIENCE_S).text for text in ("a", "b")] == ["FAKE"] * 2
        crew = own._workers._crew
        assert crew is not None
        eventually(lambda: crew._queues == {"openai": True})
        homa.assert_called(times=2)
    assert started == []


@pytest.mark.parametrize("wanted", ["auto", "2"])
def test_a_run_starts_none_either(production: Path, monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setattr(processes, "start", None)
    (production / "rows.csv").write_text("name\nAnn\nBob\n")
    with fake("FAKE") as homa:
        options = ["--prompt", "Hello {{name}}", "--model", LUNA, "-o", "out.jsonl", "--workers", wanted]
        ran = CliRunner().invoke(main, ["run", "rows.csv", *options])
        assert ran.exit_code == 0, ran.output
        homa.assert_called("Hello *", times=2)


async def test_a_real_worker_does_not_join_it(production: Path) -> None:
    async with fake() as homa:
        settings = homa.fake.settings
        assert settings.redis_url is not None
        with pytest.raises(ConfigError, match="is that of a fake fleet"):
            await build(settings, StoreAddress.parse(settings.redis_url), ["openai"])


def test_a_client_of_before_leads_to_each_fake_and_back(production: Path) -> None:
    before = Homa()
    assert not before.queues()
    for text in ("1", "2"):
        with fake(text) as homa:
            assert before.submit("x", model=LUNA).result(PATIENCE_S).text == text
            homa.assert_called(times=1)
    assert list(before.jobs()) == []
    job = before.submit("x", model=LUNA)
    assert [info.id for info in before.jobs()] == [job.id]
    before.close()


async def test_an_async_client_of_before_does_too(production: Path) -> None:
    before = AsyncHoma()
    assert not await before.queues()
    for text in ("1", "2"):
        async with fake(text):
            replies = await asyncio.gather(*[before.submit(f"x{n}", model=LUNA) for n in range(3)])
            assert [(await job.result(PATIENCE_S)).text for job in replies] == [text] * 3
    assert [job async for job in before.jobs()] == []
    await before.aclose()


def test_a_client_of_its_own_address_is_left_alone(store_url: str, namespace: str, production: Path) -> None:
    own = Homa(redis_url=store_url, namespace=namespace)
    with fake() as homa:
        job = own.submit("x", model=LUNA)
        homa.assert_submitted(times=0)
    assert own.job(job.id).state() == "queued"
    own.close()


def test_without_env_only_its_own_client_leads_to_it(production: Path) -> None:
    before = Homa()
    with fake("FAKE", env=False) as homa:
        assert homa.submit("x", model=LUNA).result(PATIENCE_S).text == "FAKE"
        before.submit("x", model=LUNA)
        homa.assert_submitted(times=1)
    assert len(list(before.jobs())) == 1
    before.close()


@pytest.mark.parametrize("env", [True, False])
def test_an_exact_count_asks_nobody(production: Path, monkeypatch: pytest.MonkeyPatch, env: bool) -> None:
    monkeypatch.setattr(subprocess, "run", None)
    with fake(env=env) as homa:
        count = homa.count("Hello", model=HAIKU, exact=True)
        assert count.exact
        assert count.tokens == homa.count("Hello", model=HAIKU).tokens
        assert homa.count([{"role": "user", "content": "Hello"}], model=LUNA, exact=True).tokens > count.tokens


async def test_nor_does_that_of_an_event_loop(production: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio, "create_subprocess_exec", None)
    async with fake() as homa:
        assert (await homa.count("Hello", model=HAIKU, exact=True)).exact


def test_fakes_may_end_in_any_order(production: Path) -> None:
    first, second = fake("A"), fake("B")
    before = {name: os.environ.get(name) for name in ("HOMA_HOME", "HOMA_REDIS_URL", "HOMA_NAMESPACE", "HOMA_BLOBS")}
    with Homa() as own:
        first.__enter__()
        second.__enter__()
        assert own.submit("x", model=LUNA).result(PATIENCE_S).text == "B"
        first.__exit__(None, None, None)
        assert own.submit("x", model=LUNA).result(PATIENCE_S).text == "B"
        second.__exit__(None, None, None)
    assert fake_in_force.opened == []
    assert fake_in_force.current is None
    assert {name: os.environ.get(name) for name in before} == before


def test_after_it_a_client_without_a_store_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOMA_REDIS_URL", "HOMA_NAMESPACE", "HOMA_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOMA_HOME", str(tmp_path / "home"))
    before = Homa()
    with fake("FAKE"):
        assert before.submit("x", model=LUNA).result(PATIENCE_S).text == "FAKE"
    with pytest.raises(StoreUnavailable):
        before.submit("x", model=LUNA)


def test_settings_of_the_test_may_name_a_blob_store(production: Path) -> None:
    with fake("seen", settings={"blobs": str(production / "of-tests")}) as homa:
        homa.submit("look", model=LUNA, images=[PICTURE]).result(PATIENCE_S)
        assert any((production / "of-tests").rglob("*"))
    assert load_settings().blobs == (production / "bucket").as_uri()
