"""One table of what providers count: settings, plans and scripts go by its rows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import orjson

import homa_shared
from homa_shared.model.limits import CONFIGURED, DAILY, DIMENSIONS, SCOPE_FIELDS, Limits
from homa_shared.model.record_fields import by_short
from homa_shared.model.tokens import QuotaUse, Tokens
from homa_shared.quota.plan import plan
from homa_shared.quota.plan_rows import plan_row
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import LimitSettings
from homa_shared.store.transitions.attempts import Report

EVERY = {dimension.name: number for number, dimension in enumerate((*DIMENSIONS, *DAILY), start=1)}


def test_every_dimension_has_its_limit_and_its_setting() -> None:
    assert Limits().by_name().keys() == EVERY.keys()
    assert LimitSettings(**EVERY).quota == Limits(**EVERY)
    assert not Limits().any
    assert all(Limits(**{name: 1}).any for name in EVERY)


def test_what_a_limit_does_not_say_the_wider_one_does() -> None:
    assert Limits(rpm=9).over(Limits(**EVERY)) == Limits(**(EVERY | {"rpm": 9}))


def test_a_plan_tells_the_store_every_dimension() -> None:
    fleet = Fleet(providers={"openai": FleetProvider(kind="openai", limits=LimitSettings(**EVERY))})
    told = plan_row(plan(fleet, fleet.resolve("openai:m")[0]))["quota_limits"]
    assert told.keys() == set(CONFIGURED)
    assert {told[dimension.limit] for dimension in (*DIMENSIONS, *DAILY)} == set(EVERY.values())


def test_fields_of_a_scope_are_told_apart() -> None:
    assert len(set(SCOPE_FIELDS)) == len(SCOPE_FIELDS)


def test_what_a_call_takes_is_in_its_record_and_in_its_report() -> None:
    counted = [by_short()[dimension.record].name for dimension in DIMENSIONS if dimension.record]
    assert counted == [f"{name}_tokens" for name in Tokens._fields]
    assert [dimension.tokens for dimension in DIMENSIONS if dimension.record] == list(Tokens._fields)
    used = orjson.loads(Report("succeeded", used=QuotaUse(1, Tokens(7, 8, 9))).encode())["used"]
    assert used == {"r": 1, "t": 7, "i": 8, "o": 9}


def test_one_dimension_alone_is_found_from_refusals() -> None:
    assert [dimension.name for dimension in DIMENSIONS if dimension.adaptive] == ["rpm"]


#: Adds requests an hour: the only lines of the product that it takes, by file.
REHEARSED = {
    "model/limits.py": (
        ("DIMENSIONS = (\n", 'DIMENSIONS = (\n    Dimension("rph", "rph", "h", period_us=3_600_000_000),\n'),
        ("    rpm: int | None = None\n", "    rpm: int | None = None\n    rph: int | None = None\n"),
    ),
    "settings/sections.py": (
        ("    rpm: Positive | None = None\n", "    rpm: Positive | None = None\n    rph: Positive | None = None\n"),
    ),
}


def test_another_count_of_requests_is_a_row_and_its_settings(tmp_path: Path, store_url: str, namespace: str) -> None:
    package = Path(homa_shared.__file__).parent
    copy = tmp_path / "homa_shared"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name, changes in REHEARSED.items():
        text = (copy / name).read_text()
        for before, after in changes:
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        (copy / name).write_text(text)
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(tmp_path), str(root)])
    command = [sys.executable, "-m", "tests.settings.requests_an_hour", store_url, namespace]
    played = subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert played.returncode == 0, played.stderr
