"""Tests never see the keys, the store or the settings of the person who runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).parents[1] / "conftest.py"

TESTS = """
    import os

    def test_environment():
        names = {name for name in os.environ if name.startswith(("HOMA_", "OPENAI_"))}
        assert names == {"HOMA_TEST_REDIS_URL"}
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-person")
    monkeypatch.setenv("HOMA_REDIS_URL", "redis://store.in.use:6379/0")
    monkeypatch.setenv("HOMA_TEST_REDIS_URL", "redis://127.0.0.1:1/0")
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nmarkers = live")
    pytester.makeconftest(CONFTEST.read_text())
    return pytester


def test_keys_and_settings_are_gone_before_a_test_starts(suite: pytest.Pytester) -> None:
    suite.makepyfile(TESTS)
    suite.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_live_tests_keep_the_keys(suite: pytest.Pytester) -> None:
    suite.makepyfile("""
        import os
        import pytest

        @pytest.mark.live
        def test_key():
            assert os.environ["OPENAI_API_KEY"] == "sk-of-a-person"
    """)
    suite.runpytest_inprocess("-p", "no:cacheprovider", "-m", "live").assert_outcomes(passed=1)
