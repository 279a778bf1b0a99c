"""What prompts of nodes are made of comes with their jobs; a run is over only where nothing follows any more."""

from __future__ import annotations

import orjson
import pytest

from homa_shared.calls.reply import message_text
from homa_shared.model.ids import new_nonce
from tests.flows.runs import RUN, Runs, reduction, source, step

pytestmark = pytest.mark.store


def test_a_run_is_not_complete_before_what_follows_is_made(runs: Runs) -> None:
    """Where a job that followed an equal one ends with it, another that ends beside it may still have to go on."""
    graph = {
        "inputs": source("facts", closed_by=["whole"]),
        "facts": step("map", "inputs", to=["whole"], key="k"),
        "whole": reduction("facts", "inputs", 3),
    }
    runs.open(graph)
    assert runs.put("equal", "other", "equal", seal=True) == "ok"
    first, other = runs.take().claims
    runs.settle_together(first, other)
    assert runs.batch().state == "sealed"
    assert runs.drained() == ["whole ~1.0"]
    assert runs.batch().state == "complete"


def test_an_item_and_an_answer_come_with_the_job_that_is_made_of_them(runs: Runs) -> None:
    graph = {
        "inputs": source("a", "both"),
        "a": step("map", "inputs", to=["both"]),
        "both": step("map", "a", "inputs"),
    }
    runs.open(graph)
    assert runs.put("one", seal=True) == "ok"
    nonce = new_nonce()
    claim = runs.claim(nonce=nonce)
    assert claim.parents == [b'{"text":"one"}']
    (again,) = runs.take(1, nonce=nonce).claims
    assert again.parents == claim.parents, "an answer that was lost on its way is given again"
    runs.answer(claim, "A")
    (claim,) = runs.take().claims
    answer, item = claim.parents
    assert (message_text(orjson.loads(answer or b"")["body"]), item) == ("A", b'{"text":"one"}')


def test_what_is_not_kept_any_more_is_told_as_that(runs: Runs) -> None:
    runs.open({"inputs": source("a"), "a": step("map", "inputs")})
    assert runs.put("one", "two", seal=True) == "ok"
    runs.redis("DEL", runs.keys.flow_item(RUN, "inputs", "0"))
    assert [list(claim.parents) for claim in runs.take().claims] == [[None], [b'{"text":"two"}']]


def test_so_much_comes_along_and_no_more(runs: Runs) -> None:
    """A worker reads by itself what would make the answer of take too long."""
    runs.open({"inputs": source("a"), "a": step("map", "inputs")})
    assert runs.put(*("x" * 300_000 for _ in range(5)), seal=True) == "ok"
    assert [len(claim.parents) for claim in runs.take().claims] == [1, 1, 1, 0, 0]


@pytest.mark.parametrize("flow", ["{}", '{"parents":7,"bytes":1}', '{"parents":[7],"bytes":1}', '{"parents":[]'])
def test_a_request_that_says_no_parents_holds_up_no_take(runs: Runs, flow: str) -> None:
    runs.open({"inputs": source("a"), "a": step("map", "inputs")})
    assert runs.put("one", "two", seal=True) == "ok"
    runs.redis("SET", runs.keys.request(f"{RUN}-0"), '{"v":4,"flow":' + flow + "}")
    assert [len(claim.parents) for claim in runs.take().claims] == [0, 1]
