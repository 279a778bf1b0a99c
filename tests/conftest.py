"""What holds for every test: shared fixtures, no settings of the person who runs them, and no skips in CI.

A skip is how a suite quietly stops checking something. Where `CI` is set, only the reasons in `ALLOWED_SKIPS` pass.
Keys and `HOMA_…` variables are taken out of the environment before anything starts, so that no test can reach a
provider or a store that is in use; `-m live` alone keeps them.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

#: Variables besides `HOMA_…` by which a provider would exist.
PROVIDER_VARIABLES = (
    "ANTHROPIC_",
    "AWS_",
    "AZURE_OPENAI_",
    "CO_API_",
    "GEMINI_",
    "GOOGLE_API_",
    "OLLAMA_",
    "OPENAI_",
)

#: Reasons (their beginnings) for which a test may be skipped in CI: what is missing there by intention.
ALLOWED_SKIPS = (
    "traced CPython 3.11 spins",
    "HOMA_TEST_REDIS_URL is not set",
    "no keys in the environment",
    "HOMA_TEST_AIMOCK is not set",
    "HOMA_TEST_NODE_CLIENTS is not set",
    "HOMA_TEST_THIRD_PARTY is not set",
    "HOMA_TEST_CURATOR is not set",
    "HOMA_TEST_MOTO is not set",
    "HOMA_TEST_AZURITE is not set",
    "HOMA_TEST_CLOUD_STORAGE is not set",
    "HOMA_TEST_BESIDE is not set",
    "HOMA_TEST_AIRFLOW is not set",
    "HOMA_TEST_DAGSTER is not set",
)

pytest_plugins = [
    f"tests.fixtures.{path.stem}" for path in sorted((Path(__file__).parent / "fixtures").glob("[!_]*.py"))
]


# A shared machine is slow at times: how long one example takes says nothing.
hypothesis.settings.register_profile("homa", deadline=None)


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("ci" if in_ci() else "homa")
    if config.getoption("markexpr") == "live":
        return
    for name in list(os.environ):
        if name.startswith(PROVIDER_VARIABLES) or (name.startswith("HOMA_") and not name.startswith("HOMA_TEST_")):
            del os.environ[name]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Campaigns last for minutes, and bound their waits themselves: nothing ends the process in their midst."""
    if item.get_closest_marker("chaos") is not None:
        faulthandler.cancel_dump_traceback_later()


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """The reason why a test or a module was skipped; None where it was not, or where it is an expected failure."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return None
    if isinstance(report.longrepr, tuple):  # path, line, "Skipped: reason"
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip that CI does not allow into a failure that names its reason."""
    reason = skip_reason(report)
    if reason is None or not in_ci() or reason.startswith(ALLOWED_SKIPS):
        return
    report.outcome = "failed"
    report.longrepr = (
        f"Skipped in CI: {reason!r}. Install what it needs, or add the reason to ALLOWED_SKIPS in tests/conftest.py"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    refuse_skip(report)
    return report
