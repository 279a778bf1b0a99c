"""A run killed while it writes a sheet, a table or a folder: nothing is lost, doubled or paid twice."""

from __future__ import annotations

from tests.chaos.campaigns import CAMPAIGNS

SHORT = {campaign.name: campaign.short for campaign in CAMPAIGNS}


def test_results_of_every_format_outlive_their_writer() -> None:
    assert not SHORT["outputs"]().broken
