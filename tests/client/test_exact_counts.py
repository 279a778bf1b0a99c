"""`count(…, exact=True)`: the provider's own count, asked by a process that has its SDK."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from homa import AsyncHoma, Count, CountFailed, Homa, InvalidRequest, MissingExtra, UnknownModel
from homa.client import exact_count as exact
from homa_shared.model.targets import Target
from homa_shared.settings.model import Settings, load_settings
from homa_shared.settings.sections import ProviderSettings
from homa_workers.process import exact_count
from homa_workers.simulator import SimulatorConfig, SimulatorThread
from tests.fixtures.store import eventually

HAIKU = "anthropic:claude-haiku-5-5"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Any]:
    with SimulatorThread(SimulatorConfig()) as running:
        yield running


def settings_at(base: str, home: Path, url: str | None = None, **more: str) -> Settings:
    env = {
        "HOMA_HOME": str(home),
        "HOMA_PROVIDERS__ANTHROPIC__API_KEY": "sk-here-only",
        "HOMA_PROVIDERS__ANTHROPIC__BASE_URL": f"{base}/anthropic",
        "HOMA_PROVIDERS__GEMINI__API_KEY": "any",
        "HOMA_PROVIDERS__GEMINI__BASE_URL": f"{base}/gemini",
        "HOMA_PROVIDERS__OPENAI__API_KEY": "any",
        **({"HOMA_REDIS_URL": url} if url else {}),
        **more,
    }
    return load_settings(env=env, cwd=home)


@pytest.mark.parametrize("model", [HAIKU, "gemini:gemini-3.5-flash"])
def test_a_provider_counts_itself_and_no_store_is_needed(simulator: Any, tmp_path: Path, model: str) -> None:
    homa = Homa(settings=settings_at(simulator.url, tmp_path))
    short, long = homa.count("Hello", model=model, exact=True), homa.count("Hello " * 50, model=model, exact=True)
    assert short.exact
    assert long.exact
    assert 0 < short.tokens < long.tokens


async def test_the_async_client_awaits_the_same(simulator: Any, tmp_path: Path) -> None:
    settings = settings_at(simulator.url, tmp_path)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    async with AsyncHoma(settings=settings) as homa:
        counted = await homa.count(messages, model=HAIKU, exact=True)
        assert isinstance(homa.count("Hello", model=HAIKU), Count), "an estimate is there at once"
    assert counted == await asyncio.to_thread(Homa(settings=settings).count, messages, model=HAIKU, exact=True)


def test_an_alias_is_looked_up_in_the_fleet(simulator: Any, tmp_path: Path, store_url: str, namespace: str) -> None:
    more = {"HOMA_NAMESPACE": namespace, "HOMA_MODELS__QUICK__TARGET": HAIKU}
    with Homa(settings=settings_at(simulator.url, tmp_path, store_url, **more)) as homa:
        assert homa.count("Hello", model="quick", exact=True) == homa.count("Hello", model=HAIKU, exact=True)
        with pytest.raises(UnknownModel, match="slow"):
            homa.count("Hello", model="slow", exact=True)


@pytest.mark.parametrize(
    ("model", "said"),
    [("openai:gpt-6-luna", "openai offers no count"), ("cohere:command-a", "cohere itself, which is not configured")],
)
def test_who_cannot_be_asked_is_named(simulator: Any, tmp_path: Path, model: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        Homa(settings=settings_at(simulator.url, tmp_path)).count("Hello", model=model, exact=True)


async def test_a_provider_that_does_not_answer_is_told(tmp_path: Path) -> None:
    settings = settings_at("http://127.0.0.1:9", tmp_path)
    with pytest.raises(CountFailed, match="anthropic did not count: unreachable"):
        await AsyncHoma(settings=settings).count("Hello", model=HAIKU, exact=True)


def test_a_setting_that_an_adapter_cannot_use_is_told(simulator: Any, tmp_path: Path) -> None:
    settings = settings_at(simulator.url, tmp_path, HOMA_PROVIDERS__ODD__KIND="azure")
    with pytest.raises(InvalidRequest, match="HOMA_PROVIDERS__ODD__BASE_URL"):
        Homa(settings=settings).count("Hello", model="odd:m", exact=True)


def test_an_sdk_that_is_not_installed_is_named_with_its_extra(
    simulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A package of the SDK's name in front of it that cannot be imported: as though it were not installed.
    (tmp_path / "anthropic").mkdir()
    (tmp_path / "anthropic" / "__init__.py").write_text("raise ModuleNotFoundError(name='anthropic')\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingExtra, match=r"pip install 'homa-queue\[workers\]'") as caught:
        Homa(settings=settings_at(simulator.url, tmp_path)).count("Hello", model=HAIKU, exact=True)
    assert caught.value.extra == "workers"


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A process that never answers; the path is written when it runs."""
    running = tmp_path / "running"
    code = f"import os, time; open({str(running)!r}, 'w').write(str(os.getpid())); time.sleep(3600)"
    monkeypatch.setattr(exact, "_COMMAND", ("-c", code))
    return running


def test_one_that_takes_too_long_is_given_up(hanging: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "LONGEST_S", 0.1)
    settings = settings_at("http://127.0.0.1:9", tmp_path)
    with pytest.raises(CountFailed, match="anthropic did not count within"):
        Homa(settings=settings).count("Hello", model=HAIKU, exact=True)
    with pytest.raises(CountFailed, match="anthropic did not count within"):
        asyncio.run(exact.count_exactly_async(settings, Target.parse(HAIKU), "Hello"))


async def test_who_is_cancelled_leaves_no_process_behind(hanging: Path, tmp_path: Path) -> None:
    settings = settings_at("http://127.0.0.1:9", tmp_path)
    asking = asyncio.ensure_future(exact.count_exactly_async(settings, Target.parse(HAIKU), "Hello"))
    await asyncio.to_thread(eventually, lambda: hanging.exists() and hanging.read_text() != "")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    with pytest.raises(ProcessLookupError):
        os.kill(int(hanging.read_text()), 0)


def test_the_key_is_handed_over_on_standard_input(simulator: Any, tmp_path: Path) -> None:
    settings = settings_at(simulator.url, tmp_path)
    asked = orjson.loads(exact._question(settings, Target.parse(HAIKU), "Hello"))
    assert asked["account"]["api_key"] == "sk-here-only"
    account = ProviderSettings.model_validate(asked["account"])
    assert account.key() == "sk-here-only"
    assert account.base_url == settings.providers["anthropic"].base_url
    run = subprocess.run(
        [sys.executable, "-m", exact_count.__name__], input=orjson.dumps(asked), capture_output=True, check=True
    )
    assert orjson.loads(run.stdout)["tokens"] > 0
