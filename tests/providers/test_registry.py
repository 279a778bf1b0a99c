"""Which adapter a configured provider gets."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest
from pydantic import SecretStr

from homa_shared import plugins
from homa_shared.kinds import registry as kinds
from homa_shared.kinds.profile import KindProfile
from homa_shared.kinds.registry import ENTRY_POINT_GROUP, known_kinds
from homa_shared.model.errors import ConfigError, MissingExtra
from homa_workers.providers import registry
from homa_workers.providers.base import HttpSettings, Provider, ProviderConfig
from homa_workers.providers.direct_exchange import environment_proxy
from homa_workers.providers.registry import create
from homa_workers.providers.transport import AiohttpTransport

KEY = SecretStr("sk-secret")


@pytest.mark.parametrize("kind", ["openai", "anthropic", "azure", "ollama", "cohere", "mistral"])
async def test_every_kind_is_a_provider(kind: str) -> None:
    provider = create(ProviderConfig("mine", kind, KEY, "https://res.openai.azure.com/openai/v1/"))
    assert isinstance(provider, Provider)
    assert (provider.name, provider.kind) == ("mine", kind)
    await provider.aclose()


def test_a_key_is_never_shown() -> None:
    assert "sk-secret" not in repr(ProviderConfig("openai", "openai", KEY))


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'mine' is of kind 'opnai'; expected one of anthropic, azure"):
        create(ProviderConfig("mine", "opnai"))


@pytest.mark.parametrize(("kind", "expected"), [("openai", "headers, organization"), ("bedrock", "aws_access_key_id")])
def test_an_option_that_a_kind_does_not_have_is_refused_with_those_that_it_has(kind: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=rf"'mine' has the option 'organisation': kind {kind} expects {expected}"):
        create(ProviderConfig("mine", kind, KEY, options={"organisation": "org-1", "region": "eu-central-1"}))


@pytest.mark.parametrize("kind", ["openai", "anthropic", "cohere", "mistral"])
def test_a_missing_key_names_its_setting(kind: str) -> None:
    with pytest.raises(ConfigError, match="HOMA_PROVIDERS__MINE__API_KEY"):
        create(ProviderConfig("mine", kind))


def test_a_missing_endpoint_names_its_setting() -> None:
    with pytest.raises(ConfigError, match="HOMA_PROVIDERS__MINE__BASE_URL"):
        create(ProviderConfig("mine", "azure", KEY))


async def test_a_local_server_needs_no_key() -> None:
    await create(ProviderConfig("mine", "ollama")).aclose()
    await create(ProviderConfig("mine", "anthropic", base_url="http://127.0.0.1:1")).aclose()


def test_a_missing_sdk_names_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "homa_workers.providers.openai.chat", None)
    monkeypatch.setitem(sys.modules, "openai", None)
    monkeypatch.setattr(registry, "import_module", _import_of_a_missing_sdk)
    with pytest.raises(MissingExtra, match=r"pip install 'homa-queue\[workers\]'"):
        create(ProviderConfig("mine", "openai", KEY))


def _import_of_a_missing_sdk(_: str) -> None:
    raise ModuleNotFoundError("No module named 'openai'", name="openai")


def test_a_defect_of_homas_own_is_not_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = KindProfile("openai", adapter="homa_workers.providers.absent:Absent", extra="workers")
    monkeypatch.setattr(registry, "profile_of", lambda _: broken)
    with pytest.raises(ModuleNotFoundError, match="absent"):
        create(ProviderConfig("mine", "openai", KEY))


def test_third_parties_bring_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("echo", "tests.providers.test_registry:Echo", ENTRY_POINT_GROUP)
    monkeypatch.setattr(plugins, "entry_points", lambda **by: EntryPoints([point]).select(**by))
    monkeypatch.setattr(EntryPoint, "load", lambda _: Echo)
    kinds.profile_of.cache_clear()
    assert "echo" in known_kinds()
    assert isinstance(create(ProviderConfig("mine", "echo")), Echo)
    kinds.profile_of.cache_clear()


class Echo:
    """A third party's adapter, which makes no call."""

    kind = "echo"

    def __init__(self, config: ProviderConfig) -> None:
        self.name = config.name

    complete = stream = embed = count = aclose = __init__


@pytest.mark.parametrize(
    ("module", "sdks"),
    [
        ("homa_workers.providers.registry", {"openai", "anthropic", "aiohttp"}),
        ("homa_workers.providers.openai.chat", {"anthropic"}),
        ("homa_workers.providers.anthropic.adapter", {"openai"}),
    ],
)
def test_an_adapter_loads_its_own_sdk_only(module: str, sdks: set[str]) -> None:
    code = f"import sys, {module}; print(*({sdks!r} & sys.modules.keys()))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not ran.stdout.split()


def test_connections_never_run_short_of_the_concurrency() -> None:
    assert ProviderConfig("a", "openai").connections == 5000
    assert ProviderConfig("a", "openai", concurrency=9000).connections == 18_000


def test_the_sdks_timeout_stands_far_above_the_pipelines_deadline() -> None:
    assert ProviderConfig("a", "openai", timeout_s=600).read_timeout_s > 2 * 600


def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "127.0.0.1,internal.example")
    assert environment_proxy("https://api.openai.com/v1") == "http://proxy.example:3128"
    assert environment_proxy("https://internal.example/v1") is None
    assert environment_proxy("http://127.0.0.1:9/v1") is None
    assert environment_proxy("nonsense") is None


async def test_closing_what_was_never_used_is_harmless() -> None:
    await AiohttpTransport(HttpSettings(base_url="https://x", connections=1, read_timeout_s=1)).aclose()


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:99999/v1", "http://me:hunter2@[::1/v1", "http://me:hunter2@proxy/v1"]
)
def test_an_address_that_nobody_can_read_is_a_wrong_setting(address: str) -> None:
    with pytest.raises(ConfigError, match="HOMA_PROVIDERS__OURS__BASE_URL") as caught:
        create(ProviderConfig("ours", "openai", KEY, address))
    assert "hunter2" not in str(caught.value)
