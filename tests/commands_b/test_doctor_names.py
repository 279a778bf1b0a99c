"""Doctor on what settings name: models that end, kinds, adapters and middleware that do not load, SDKs too new."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from homa.cli.doctor.worker_checks import loading
from homa_shared.capabilities import model_ends
from homa_shared.kinds import sdk_versions
from homa_shared.kinds.registry import profile_of
from homa_shared.store import reads
from tests.commands_b.stand import Stand
from tests.commands_b.test_setup import checks
from tests.plugins.packages import Site

ACME = """
from homa_shared.kinds.profile import KindProfile, Quota

class Adapter:
    def __init__(self, config): ...

PROFILE = KindProfile("acme", adapter="acme_kinds:Adapter", quota=Quota(day_zone="UTC"))

def middleware():
    return 5
"""


@pytest.fixture(autouse=True)
def day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_ends, "today", lambda: date(2026, 11, 30))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The module of a package that is installed for this process and those that it starts."""
    site = tmp_path / "site-packages"
    points = {"homa.providers": {"acme": "acme_kinds:PROFILE"}, "homa.middleware": {"noisy": "acme_kinds:middleware"}}
    Site(site).install("acme-kinds", points)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.delitem(sys.modules, "acme_kinds", raising=False)
    profile_of.cache_clear()
    yield site / "acme_kinds.py"
    profile_of.cache_clear()


def add(stand: Stand, text: str) -> None:
    path = stand.home / "homa.toml"
    path.write_text(path.read_text() + text)


def test_models_that_end_are_told_with_what_names_them_and_what_follows(stand: Stand) -> None:
    add(stand, '[providers.own]\nkind = "openai"\n[models.fast]\ntarget = "own:gpt-5-nano"\n')
    (found,) = checks(stand)["model own:gpt-5-nano"]
    assert (found["level"], found["value"]) == (
        "warning",
        "ends 2026-12-11, use gpt-6-luna; named by models.fast.target",
    )
    assert found["what_to_do"].startswith("its calls fail from then on, or go to fallbacks: name gpt-6-luna (announced")


def test_models_that_jobs_wait_for_are_told_too(stand: Stand) -> None:
    add(stand, '[providers.own]\nkind = "openai"\nrpd_zone = "UTC"\n')
    stand.said("apply")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("homa.submit.submitter.tell", lambda view, targets: None)
        stand.homa.submit("Hi", model="own:gpt-5-nano", max_tokens=5)
    assert stand.store.run(reads.waiting_targets(stand.store.keys, ["own"])) == ["own:gpt-5-nano"]
    (found,) = checks(stand)["model own:gpt-5-nano"]
    assert found["value"] == "ends 2026-12-11, use gpt-6-luna; named by jobs that wait"


def test_a_run_says_at_its_start_what_ends_and_refuses_what_is_gone(stand: Stand) -> None:
    add(stand, '[providers.own]\nkind = "anthropic"\napi_key = "k"\n')
    stand.said("apply")
    (stand.home / "a.txt").write_text("text")
    run = ("run", "a.txt", "--prompt", "{{text}}", "--dry-run", "--model")
    soon = stand.said(*run, "own:claude-sonnet-4-5-20250929")
    assert soon.status == 0, soon.stderr
    assert "homa: warning: own:claude-sonnet-4-5-20250929 ends 2026-11-30, use claude-sonnet-5-5: " in soon.stderr
    gone = stand.said(*run, "own:claude-3-opus-20240229")
    assert gone.status == 2
    assert "claude-3-opus-20240229 retired since 2026-01-05: every call would be refused" in gone.stderr
    unknown = stand.said(*run, "own:claude-haiku-5-6")
    assert "own:claude-haiku-5-6 stands in no table of this release and is unpriced" in unknown.stderr


def test_all_is_well_where_no_named_model_ends(stand: Stand) -> None:
    add(stand, '[providers.own]\nkind = "openai"\n[models.fast]\ntarget = "own:gpt-6-luna"\n')
    (found,) = checks(stand)["models"]
    assert (found["level"], found["value"]) == ("ok", "no named one is known to end within 60 days")


def test_adapters_and_middleware_that_do_not_load_are_named(
    stand: Stand, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homa.cli.doctor.checks.loading", loading)
    package.write_text(ACME)
    add(stand, '[providers.mine]\nkind = "acme"\n')
    found = checks(stand)
    assert found["adapter of openai"][0]["level"] == "ok"
    (adapter,) = found["adapter of mine"]
    assert adapter["level"] == "warning"
    assert "is a Adapter without name, kind, complete, stream, embed, count, aclose" in adapter["what_to_do"]
    assert "Mend its package (acme-kinds 1.2)." in adapter["what_to_do"]
    (middleware,) = found["middleware"]
    assert "middleware acme_kinds.middleware made 5; expected a homa_workers." in middleware["what_to_do"]


def test_a_profile_that_does_not_load_is_an_error_and_no_traceback(stand: Stand, package: Path) -> None:
    package.write_text(ACME.replace('day_zone="UTC"', "day_zone=5"))
    add(stand, '[providers.mine]\nkind = "acme"\n')
    (found,) = checks(stand, status=1)["kind of mine"]
    assert (found["level"], found["value"]) == ("error", "acme cannot be loaded")
    assert "kind of provider 'acme' of acme-kinds 1.2 " in found["what_to_do"]
    assert "in its profile quota.day_zone is 5; expected str; mend or uninstall it" in found["what_to_do"]
    command = [sys.executable, "-m", "homa_workers.process.main", "mine"]
    worker = subprocess.run(command, capture_output=True, text=True, check=False)
    assert worker.returncode == 2
    assert "Traceback" not in worker.stderr
    assert "in its profile quota.day_zone is 5; expected str" in worker.stderr


def test_an_sdk_of_a_later_major_version_is_told(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "SDK of openai" not in checks(stand)
    below = sdk_versions.first_unsupported("openai")
    monkeypatch.setattr(sdk_versions, "version", lambda name: f"{below}.1.0" if name == "openai" else "1.0")
    (found,) = checks(stand)["SDK of openai"]
    assert (found["level"], found["value"]) == (
        "warning",
        f"openai {below}.1.0 is installed, and this release was made for openai below {below}",
    )
    assert found["what_to_do"] == "pip install 'homa-queue[workers]' brings one, or upgrade homa-queue"
