"""Retries of jobs whose chain the fleet no longer has as it was."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from homa import UnknownModel
from homa.cli import main
from homa.drivers.effects import ask
from homa.testing import FakeHoma, Refused, fake
from homa_shared.store.transitions.fleet import read_fleet, write_fleet
from tests.patience import PATIENCE_S

MODEL, LOST = "openai:gpt-6-luna", "old:gpt-6-luna"
SETTINGS = {"providers": {"old": {"kind": "openai"}}}


def without_old(homa: FakeHoma) -> None:
    """The fleet loses a provider."""
    settings = homa.fake.settings
    kept = {name: provider for name, provider in settings.providers.items() if name != "old"}
    keys = homa._submitter.keys
    present = homa._driver.run(ask(read_fleet(keys)))
    assert present is not None
    fleet = settings.model_copy(update={"providers": kept}).fleet()
    homa._driver.run(ask(write_fleet(keys, fleet, seen=present.version)))


def test_a_job_that_cannot_be_retried_keeps_no_other_from_it() -> None:
    with fake(Refused("no"), settings=SETTINGS) as homa:
        before = [homa.submit(f"a{number}", model=MODEL).id for number in range(3)]
        lost = homa.submit("lost", model=LOST)
        after = [homa.submit(f"b{number}", model=MODEL).id for number in range(3)]
        homa.drain()
        without_old(homa)
        done = homa.retry(state="failed")
        assert (done.retried, dict(done.refused)) == (6, {"provider gone": 1})
        assert {job.id for job in homa.jobs(state="failed") if job.retried_by} >= {*before, *after}
        with pytest.raises(UnknownModel, match="old:gpt-6-luna"):
            homa.retry(lost)
        told = CliRunner().invoke(main, ["jobs", "retry", lost.id, before[0]])
        assert "the fleet no longer has any provider of its chain" in told.output
        assert before[0] in told.output


def test_a_retry_begins_at_the_first_target_that_is_left() -> None:
    with fake({"*": [Refused("no"), "from the fallback"]}, settings=SETTINGS) as homa:
        job = homa.submit("x", model=LOST, fallbacks=[MODEL])
        homa.drain()
        without_old(homa)
        again = homa.retry(job)
        assert again.result(timeout=PATIENCE_S).text == "from the fallback"
        assert [call.target for call in homa.calls] == [LOST, MODEL]
