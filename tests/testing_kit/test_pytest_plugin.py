"""The fixtures, in a pytest of their own as users run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = """
import urllib.request

from homa import Homa


def summarise(text):
    with Homa() as homa:
        return homa.submit(f"Summarise: {text}", model="openai:gpt-6-luna").result(timeout=10).text


def test_summary(homa_fake):
    homa = homa_fake({"Summarise*": "short"})
    assert summarise("a long text") == "short"
    homa.assert_submitted("Summarise*", times=1)


def test_unexpected(homa_fake):
    homa = homa_fake({"Translate*": "short"})
    homa.submit("Summarise", model="openai:gpt-6-luna")
    homa.drain()


def test_simulator(homa_simulator):
    with urllib.request.urlopen(homa_simulator.url + "/stats") as reply:
        assert reply.status == 200


def test_store(homa_store):
    assert homa_store.startswith(("unix://", "redis://"))
"""


def test_fixtures_are_there_without_any_set_up(tmp_path: Path) -> None:
    (tmp_path / "test_users.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("HOMA_")}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=env, check=False)
    assert "4 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert "no pattern fits: openai:gpt-6-luna was asked 'Summarise'" in done.stdout


def test_the_plugin_loads_next_to_nothing() -> None:
    code = "import sys, homa.testing.pytest_plugin; print(*sorted(m for m in sys.modules if m.startswith('homa')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "homa.testing.fakes" not in loaded
    assert len(loaded) < 15
