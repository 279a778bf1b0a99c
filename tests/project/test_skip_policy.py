"""In CI a skipped test is a failure; elsewhere it is a skip."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).parents[1] / "conftest.py"

TESTS = """
    import pytest

    @pytest.mark.skip(reason="no frobnicator here")
    def test_marked(): ...

    def test_inside():
        pytest.skip("no keys in the environment: OPENAI_API_KEY")

    @pytest.mark.xfail(strict=True)
    def test_expected_to_fail():
        raise AssertionError
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("CI", raising=False)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makeconftest(CONFTEST.read_text())
    return pytester


def test_a_skip_outside_ci_is_a_skip(suite: pytest.Pytester) -> None:
    suite.makepyfile(TESTS)
    suite.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(skipped=2, xfailed=1)


def test_a_skip_in_ci_fails_unless_its_reason_is_allowed(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    suite.makepyfile(TESTS)
    result = suite.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["*Skipped in CI: 'no frobnicator here'*ALLOWED_SKIPS*"])


def test_a_module_skipped_in_ci_fails(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    suite.makepyfile("import pytest\npytest.importorskip('no_such_module')")
    result = suite.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Skipped in CI: *no_such_module*"])
