"""A kind that another package brings: whatever its profile says holds, and what it leaves out has defaults."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from homa.cli.doctor import checks
from homa_shared.calls.reply import Usage
from homa_shared.capabilities import Capabilities, Feature, needs_of
from homa_shared.kinds.profile import UNKNOWN_KIND, KindProfile
from homa_shared.kinds.profile_check import fault
from homa_shared.kinds.registry import builtin_kinds, known_kinds, profile_of
from homa_shared.kinds.reserve_policy import ReservePolicy
from homa_shared.model.errors import ConfigError
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.quota.embedding_parts import first_part
from homa_shared.quota.plan import plan
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.model import load_settings
from homa_workers.providers.base import ProviderConfig
from homa_workers.providers.registry import create
from homa_workers.simulator.dialects import all_dialects
from tests.kinds.conftest import MODULE, Install

DESCRIBED = """
from homa_shared.kinds.features import Feature
from homa_shared.kinds.profile import (
    Billing, Connection, EmbeddingLimits, KindProfile, ModelNames, PromptCaching, Quota, Variable,
)
from homa_shared.kinds.reserve_policy import ReservePolicy

class Adapter:
    kind = "acme"

    def __init__(self, config):
        self.name = config.name

    async def complete(self, call): ...
    async def stream(self, call, emit): ...
    async def embed(self, model, inputs, params): ...
    async def count(self, call): ...
    async def aclose(self): ...

PROFILE = KindProfile(
    "acme",
    adapter="acme_kinds:Adapter",
    options=frozenset({"team"}),
    connection=Connection(
        endpoint="https://{region}.acme.example/v1",
        key_needed=True,
        variables=(Variable(("ACME_KEY", "ACME_TOKEN"), "api_key", makes_account=True),),
    ),
    quota=Quota(ReservePolicy.INPUT_ONLY, day_zone="Asia/Tokyo", adaptive=False),
    features=frozenset(Feature) - {Feature.TOOLS},
    model_names=ModelNames(only_chats=lambda model: model.startswith("chatty")),
    embedding_limits=lambda model: EmbeddingLimits(texts=2),
    prompt_caching=lambda model: PromptCaching(least_tokens=7),
    billing=Billing(price_list="openai", service_tiers={"flex": "slow"}),
)
"""
FLEET = Fleet(providers={"mine": FleetProvider(kind="acme")})
TARGET = Target("mine", "gpt-6-luna")


@pytest.fixture
def described(install: Install) -> None:
    install("acme", "PROFILE", DESCRIBED)


@pytest.mark.usefixtures("described")
def test_its_quota_is_reserved_as_its_profile_says() -> None:
    found = plan(FLEET, TARGET)
    assert (found.kind, found.reserve, found.rpd_zone, found.adaptive) == (
        "acme",
        ReservePolicy.INPUT_ONLY,
        "Asia/Tokyo",
        False,
    )


@pytest.mark.usefixtures("described")
def test_it_offers_what_its_profile_says() -> None:
    can = Capabilities(FLEET, PriceBook(FLEET))
    needs = needs_of([{"role": "user", "content": "Hi"}], {"tools": [{}]}, {})
    assert can.lack(TARGET, needs) == "it takes no tools"
    assert can.offers(TARGET, Feature.VISION)
    assert can.misfit(Target("mine", "chatty-1"), embeds=True) == "chatty-1 has no embeddings"
    caching = profile_of("acme").prompt_caching("any")
    assert caching is not None
    assert caching.least_tokens == 7


@pytest.mark.usefixtures("described")
def test_it_is_priced_by_its_price_list() -> None:
    openai = Fleet(providers={"mine": FleetProvider(kind="openai")})
    usage = Usage(1000, 1000)
    assert PriceBook(FLEET).cost(TARGET, usage) == PriceBook(openai).cost(TARGET, usage)
    assert profile_of("acme").service_tier("flex") == "slow"


@pytest.mark.usefixtures("described")
def test_its_embeddings_are_parted_as_its_profile_says() -> None:
    assert first_part(["a", "b", "c"], plan(FLEET, TARGET)) == 2


@pytest.mark.usefixtures("described")
def test_settings_know_it(tmp_path: Path) -> None:
    settings = load_settings(env={"HOMA_PROVIDERS__MINE__KIND": "acme"}, cwd=tmp_path)
    assert settings.providers["mine"].kind == "acme"
    with pytest.raises(ConfigError, match=r"'openai' or 'acme'; a kind of another package needs"):
        load_settings(env={"HOMA_PROVIDERS__MINE__KIND": "acne"}, cwd=tmp_path)
    with pytest.raises(ConfigError, match=r"expected one of anthropic, .*, openai, acme"):
        load_settings(env={"HOMA_PROVIDERS__MINE__TIMEOUT_S": "1"}, cwd=tmp_path)


@pytest.mark.usefixtures("described")
def test_its_own_variable_gives_a_provider_of_its_name_the_key(tmp_path: Path) -> None:
    env = {"HOMA_PROVIDERS__ACME__REGION": "eu", "ACME_TOKEN": "sk-acme"}
    settings = load_settings(env=env, cwd=tmp_path)
    assert settings.providers["acme"].key() == "sk-acme"
    assert settings.origin(("providers", "acme", "api_key")) == "ACME_TOKEN"
    # No package is looked through, and none of its code run, for a variable alone.
    assert load_settings(env={"ACME_TOKEN": "sk-acme"}, cwd=tmp_path).providers == {}


@pytest.mark.usefixtures("described")
def test_doctor_knows_its_endpoint_and_that_it_needs_a_key(tmp_path: Path) -> None:
    settings = load_settings(env={"HOMA_PROVIDERS__ACME__REGION": "eu"}, cwd=tmp_path)
    provider = settings.providers["acme"]
    assert checks._place(provider) == ("eu.acme.example", 443)
    assert checks._place(provider.model_copy(update={"region": None})) is None
    assert checks._key("acme", provider).value == "missing"


@pytest.mark.usefixtures("described")
def test_its_adapter_is_made_and_its_options_are_checked() -> None:
    assert type(create(ProviderConfig("mine", "acme", SecretStr("k"), options={"team": "a"}))).__module__ == MODULE
    with pytest.raises(ConfigError, match="'mine' has the option 'teem': kind acme expects team"):
        create(ProviderConfig("mine", "acme", options={"teem": "a"}))


def test_a_profile_may_hold_the_adapter_itself(install: Install) -> None:
    install("acme", "PROFILE", DESCRIBED.replace('"acme_kinds:Adapter"', "Adapter"))
    assert create(ProviderConfig("mine", "acme")).name == "mine"


def test_a_function_that_makes_an_adapter_will_do(install: Install) -> None:
    install("acme", "Adapter", DESCRIBED)
    assert create(ProviderConfig("mine", "acme", options={"anything": 1})).name == "mine"
    found = profile_of("acme")
    assert found == KindProfile("acme", adapter=found.adapter)
    assert plan(FLEET, TARGET).reserve is ReservePolicy.REQUESTS
    assert known_kinds() == (*builtin_kinds(), "acme")


def test_who_has_no_such_package_takes_the_defaults() -> None:
    assert profile_of("of-a-newer-release") is UNKNOWN_KIND
    assert plan(FLEET, TARGET).rpd_zone == "UTC"


@pytest.mark.parametrize(
    ("attribute", "source", "why"),
    [
        ("PROFILE", "import no_such_sdk", "ModuleNotFoundError: No module named 'no_such_sdk'"),
        ("PROFILE", "", "AttributeError: "),
        ("PROFILE", "PROFILE = 5", "is 5; expected a KindProfile, or a function that makes an adapter"),
        ("PROFILE", DESCRIBED.replace('"acme"', '"other"'), "has a profile that is named 'other'; expected 'acme'"),
        (
            "PROFILE",
            DESCRIBED.replace('frozenset({"team"})', '["team"]'),
            "in its profile options is ['team']; expected frozenset of str or None",
        ),
        (
            "PROFILE",
            DESCRIBED.replace("Asia/Tokyo", "Tokyo"),
            "in its profile quota.day_zone is 'Tokyo'; expected an IANA time zone such as UTC or America/Los_Angeles",
        ),
        (
            "PROFILE",
            DESCRIBED.replace("ReservePolicy.INPUT_ONLY", '"input_only"'),
            "in its profile quota.reserve is 'input_only'; expected ReservePolicy",
        ),
        (
            "PROFILE",
            DESCRIBED.replace('("ACME_KEY", "ACME_TOKEN")', '"ACME_KEY"'),
            "in its profile connection.variables[0].names is 'ACME_KEY'; expected tuple of str",
        ),
        (
            "PROFILE",
            DESCRIBED.replace("lambda model: EmbeddingLimits(texts=2)", "EmbeddingLimits(texts=2)"),
            "expected a function",
        ),
        (
            "PROFILE",
            DESCRIBED.replace('{"flex": "slow"}', '["flex"]'),
            "in its profile billing.service_tiers is ['flex']; expected Mapping of str, str or None",
        ),
    ],
)
def test_a_package_that_cannot_be_loaded_is_named(install: Install, attribute: str, source: str, why: str) -> None:
    install("acme", attribute, source)
    with pytest.raises(ConfigError) as caught:
        profile_of("acme")
    message = "kind of provider 'acme' of acme-kinds 1.2 "
    assert str(caught.value).startswith(message)
    assert why in str(caught.value)


@pytest.mark.parametrize("kind", builtin_kinds())
def test_every_profile_of_homas_own_is_of_the_types_that_it_declares(kind: str) -> None:
    assert fault(profile_of(kind)) is None


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (
            DESCRIBED.replace("acme_kinds:Adapter", "acme_absent:Adapter"),
            "the adapter of kind 'acme', 'acme_absent:Adapter', cannot be loaded: No module named 'acme_absent'",
        ),
        (
            DESCRIBED.replace("acme_kinds:Adapter", "acme_kinds:Adaptor"),
            "the adapter of kind 'acme', 'acme_kinds:Adaptor', cannot be loaded: .*has no attribute 'Adaptor'",
        ),
        (DESCRIBED.replace("acme_kinds:Adapter", "acme_kinds"), 'expected "module:attribute"'),
        (
            DESCRIBED.replace("acme_kinds:Adapter", "acme_kinds:PROFILE"),
            "the adapter of kind 'acme', 'acme_kinds:PROFILE', cannot be loaded: it is not a function",
        ),
        (
            DESCRIBED.replace("self.name = config.name", "raise KeyError('team')"),
            "the adapter of kind 'acme' cannot be made for provider 'mine': KeyError: 'team'",
        ),
        (
            DESCRIBED.replace("async def embed", "async def embed_all"),
            "the adapter of kind 'acme' made for provider 'mine' is a Adapter without embed",
        ),
    ],
)
def test_an_adapter_that_cannot_be_loaded_or_made_is_named(install: Install, source: str, why: str) -> None:
    install("acme", "PROFILE", source)
    with pytest.raises(ConfigError, match=why) as caught:
        create(ProviderConfig("mine", "acme"))
    assert "Mend its package (acme-kinds 1.2)" in str(caught.value)


@pytest.mark.parametrize(
    ("simulator", "why"),
    [
        ("acme_absent:Dialect", "ModuleNotFoundError: No module named 'acme_absent'"),
        ("acme_kinds:Dialect", "AttributeError: .*has no attribute 'Dialect'"),
        ("acme_kinds", "ValueError|AttributeError"),
        ("acme_kinds:dict", "it makes {}; expected a Dialect"),
    ],
)
def test_a_simulation_that_cannot_be_loaded_is_named(install: Install, simulator: str, why: str) -> None:
    source = DESCRIBED.replace('"acme",\n', f'"acme",\n    simulator="{simulator}",\n') + "\ndict = dict\n"
    install("acme", "PROFILE", source)
    with pytest.raises(ConfigError, match=f"the simulation of kind 'acme', '{simulator}', cannot be loaded: .*{why}"):
        all_dialects()


def test_homa_simulate_names_a_simulation_that_cannot_be_loaded(install: Install, tmp_path: Path) -> None:
    install("acme", "PROFILE", DESCRIBED.replace('"acme",\n', '"acme",\n    simulator="acme_kinds:Dialect",\n'))
    command = [sys.executable, "-m", "homa_workers.simulator", "--port", "0", "--max-seconds", "1"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site-packages")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "the simulation of kind 'acme'" in done.stderr
