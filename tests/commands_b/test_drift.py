"""Settings of a file that are not the fleet's: who reads the file is told, with the command that applies it."""

from __future__ import annotations

import logging

import pytest

from homa import Homa
from homa_shared.settings.changes import drift
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.model import load_settings
from homa_shared.settings.sections import Budget
from tests.commands_b.stand import MODEL, Stand


def changed(stand: Stand) -> None:
    """The fleet's settings are written, then the file gets another limit."""
    stand.json("apply")
    file = stand.home / "homa.toml"
    text = file.read_text()
    assert "rpm = 60000" in text
    file.write_text(text.replace("rpm = 60000", "rpm = 77"))


def test_a_changed_limit_that_is_not_in_force_is_said_by_commands(stand: Stand) -> None:
    changed(stand)
    for command in (["queues"], ["limits"], ["jobs", "list"], ["budgets"]):
        said = stand.said(*command).stderr
        assert "not in force: providers.openai.limits.rpm is 77 here" in said, command
        assert "`homa apply` puts them in force" in said
    assert "not in force" not in stand.said("apply", "--diff").stderr
    stand.json("apply")
    assert "not in force" not in stand.said("queues").stderr


def test_the_fleets_settings_are_shown_beside_those_here(stand: Stand) -> None:
    changed(stand)
    shown = stand.json("config", "show", "--fleet")
    rows = {row["name"]: row for row in shown["settings"]}
    assert shown["version"] == 1
    assert rows["providers.openai.limits.rpm"]["here"] == 77
    assert rows["providers.openai.limits.rpm"]["fleet"] == 60000
    assert rows["budgets.month"]["fleet"] == rows["budgets.month"]["here"] is not None
    table = stand.said("config", "show", "--fleet")
    assert "IN FORCE" in table.stdout
    assert "77" in table.stdout
    assert "version 1" in table.stderr


def test_a_client_logs_it_once(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    changed(stand)
    with caplog.at_level(logging.WARNING, "homa"), Homa(settings=load_settings(cwd=stand.home)) as homa:
        homa.submit("a", model=MODEL)
        homa.submit("b", model=MODEL)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert "providers.openai.limits.rpm is 77 here, the fleet (version 1) has 60000" in told[0]


def test_only_what_a_machine_says_itself_counts() -> None:
    fleet = Fleet(
        version=3,
        providers={"openai": FleetProvider(kind="openai", limits={"rpm": 500}), "other": FleetProvider(kind="openai")},
        budgets={"month": Budget(cap_usd="5", period="month")},
    )
    assert drift(fleet, Fleet(providers={"openai": FleetProvider(kind="openai")})) is None
    assert drift(fleet, Fleet()) is None
    said = drift(fleet, Fleet(budgets={"month": Budget(cap_usd="7", period="month")}))
    assert said is not None
    assert "budgets.month.cap_usd is 7.00 here, the fleet (version 3) has 5.00" in said
