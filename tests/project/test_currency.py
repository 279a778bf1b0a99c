"""What is told of the age of what this tree knows, without a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import date, timedelta

import pytest

from homa_shared.kinds.registry import builtin_kinds
from homa_shared.model.example_models import Example
from tests.docs.pages import ROOT
from tools import currency
from tools.currency import DUE_DAYS, Item, items

DAY = date(2026, 11, 30)
SDKS = {"aiobotocore", "anthropic", "genai-prices", "google-genai", "openai"}


def pinned(name: str) -> str:
    found = re.search(
        rf"^{name}(?:\[[^]]*])?==(\S+)", (ROOT / "requirements" / "runtime.txt").read_text(), re.MULTILINE
    )
    assert found is not None, f"{name} is not pinned"
    return found[1]


def told(what: str, found: list[Item]) -> Item:
    (item,) = (item for item in found if item.what == what)
    return item


def test_what_is_pinned_at_the_newest_version_needs_nothing() -> None:
    found = items(pinned, DAY)
    assert all(told(name, found).todo == "" for name in SDKS)
    assert told("openai", found).state == f"pinned {pinned('openai')}, the newest"


def test_a_later_major_version_is_urgent_and_a_later_minor_one_is_not() -> None:
    ahead = {"openai": "99.0.0", "anthropic": f"{pinned('anthropic').partition('.')[0]}.999.0"}
    found = items(lambda name: ahead.get(name) or pinned(name), DAY)
    major, minor = told("openai", found), told("anthropic", found)
    assert major.state == f"pinned {pinned('openai')}, newest 99.0.0: another major version"
    assert "raise the bound in pyproject.toml" in major.todo
    assert minor.todo == "`make upgrade`, and run the tests"
    assert major.urgency < minor.urgency


def test_an_index_that_cannot_be_asked_is_said_to_be_so() -> None:
    found = items(lambda name: None, DAY)
    assert all(told(name, found).state.endswith("newest unknown") for name in SDKS)
    assert "look when there is a network" in told("openai", found).todo


def test_every_table_of_every_kind_tells_its_age_and_is_due_after_a_month() -> None:
    checked = date.fromisoformat(told("openai: profile", items(pinned, DAY)).state.split()[1].rstrip(","))
    on_time = items(pinned, checked + timedelta(days=DUE_DAYS))
    late = items(pinned, checked + timedelta(days=DUE_DAYS + 1))
    assert {f"{kind}: profile" for kind in builtin_kinds()} <= {item.what for item in late}
    assert told("openai: profile", on_time).todo == ""
    assert told("openai: profile", late).todo == "compare it with the documents named in kinds/builtin, and set its day"
    assert "developers.openai.com/api/docs/deprecations" in told("openai: retirements", late).todo
    assert told("rules over names (kinds/model_families.py)", late).state.endswith(" days ago")


def test_models_that_end_within_90_days_are_told_the_nearest_first() -> None:
    found = items(pinned, DAY)
    ends = [item for item in found if " ends " in f" {item.state} "]
    assert told("openai: gpt-5-nano", found).state == "ends 2026-12-11, use gpt-6-luna"
    assert told("gemini: gemini-2.5-flash", found).urgency == 1
    assert [item.urgency for item in ends] == sorted(item.urgency for item in ends)
    assert not [item for item in found if item.what.startswith("openai: ") and "gpt-5.1," in item.what]
    assert [item.urgency for item in found] == sorted(item.urgency for item in found)


def test_an_example_that_ends_comes_before_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(currency, "EXAMPLES", (Example("openai", "gpt-4o"),))
    first = items(lambda name: "99.0", DAY)[0]
    assert (first.what, first.state) == ("example openai:gpt-4o", "ends 2027-01-14, use gpt-6-luna")
    assert "make example-models" in first.todo


def test_it_ends_well_without_a_network() -> None:
    env = {
        **os.environ,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_CONFIG_FILE": os.devnull,
    }
    command = [sys.executable, str(ROOT / "tools" / "currency.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert f"openai: pinned {pinned('openai')}, newest unknown\n" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("to look at; the most urgent first")
