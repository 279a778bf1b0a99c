"""What people are told of releases side by side, and of cost that stays unresolved."""

from __future__ import annotations

import pytest

from homa_shared.settings.sections import Unresolved
from homa_shared.store.versions import Versions, common_versions, own_versions, release
from tests.commands_b.conftest import stand
from tests.commands_b.stand import Stand

__all__ = ["stand"]


def test_an_older_worker_is_named_beside_newer_ones(stand: Stand) -> None:
    stand.beat(reads=own_versions().facts(), release=release())
    assert "releases" not in stand.said("doctor").stdout
    assert "older" not in stand.said("workers").stdout
    stand.beat(reads={"record": 2, "request": 2}, release="9.9")
    said = stand.said("doctor").stdout
    assert "releases" in said
    assert "1 read records up to version 2" in " ".join(said.split())
    assert stand.json("workers")["workers"][0]["release"] == "9.9"


def test_a_worker_that_says_nothing_is_of_the_first_release() -> None:
    assert Versions.told({}) == Versions(1, 1)
    assert common_versions([Versions(9, 9)]) == own_versions()
    assert common_versions([]) == own_versions()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("", "until then it counts at its upper bound"),
        ('[unresolved]\nafter = "24h"', "after 86400 s it counts as spent"),
        ('[unresolved]\nafter = "24h"\nas = "none"', "after 86400 s it is dropped"),
    ],
)
def test_costs_and_doctor_tell_what_becomes_of_unresolved_cost(stand: Stand, setting: str, words: str) -> None:
    settings = stand.home / "homa.toml"
    settings.write_text(f"{settings.read_text()}\n{setting}")
    stand.said("apply")
    stand.failed(unresolved=True)
    assert words in " ".join(stand.said("costs").stderr.split())
    assert words in " ".join(stand.said("doctor").stdout.split())


def test_the_policy_is_written_in_the_settings_words() -> None:
    found = Unresolved.model_validate({"after": "1h", "as": "none"})
    assert (found.after, found.counts_as) == (3600, "none")
    assert Unresolved().after is None
