"""What the end of a node makes of its flow, in the script that ends it."""

from __future__ import annotations

from math import ceil

import pytest

from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Claim
from tests.flows.runs import DOCUMENTS, NANO_A_BYTE, RUN, TOKENS_A_BYTE, Runs, reduction, source, step
from tests.transitions.cell import BOUND

pytestmark = pytest.mark.store


def test_a_document_of_two_parts_becomes_one_answer(runs: Runs) -> None:
    runs.open()
    runs.document(0, "a", "b", last=True)
    assert runs.answered() == ["facts 0.0", "facts 0.1"]
    claim = runs.claim()
    assert (claim.custom_id, runs.parents(claim)) == ("whole 0~1.0", ["facts 0.0", "facts 0.1"])
    assert runs.batch().state == "sealed"
    runs.answer(claim, "done")
    assert (runs.batch().state, runs.batch().total, runs.batch().succeeded) == ("complete", 3, 3)
    assert runs.node("whole 0") == "2"


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 9, 10, 27, 28, 40])
@pytest.mark.parametrize("backwards", [False, True])
def test_a_reduce_is_a_tree_of_bounded_width_that_keeps_the_order(runs: Runs, n: int, *, backwards: bool) -> None:
    runs.open()
    runs.document(0, *map(str, range(n)), last=True)
    under: dict[str, list[str]] = {}
    while claims := runs.take(100).claims:
        for claim in reversed(claims) if backwards else claims:
            if claim.custom_id.startswith("whole"):
                under[claim.custom_id] = runs.parents(claim)
                assert len(under[claim.custom_id]) <= 3
            runs.answer(claim, "x")

    def leaves(name: str) -> list[str]:
        return [leaf for child in under[name] for leaf in (leaves(child) if child in under else [child])]

    top = runs.job(f"{RUN}-{runs.node('whole 0')}").custom_id or ""
    assert leaves(top) == [f"facts 0.{i}" for i in range(n)], "each part once, in order"
    assert runs.batch().state == "complete"


@pytest.mark.parametrize("n", [1, 3, 4, 9, 10])
def test_parts_may_end_before_it_is_known_how_many_there_are(runs: Runs, n: int) -> None:
    runs.open()
    for i in range(n):
        assert runs.put(str(i), at=i, source="parts", scope="0") == "ok"
        runs.drained()
    assert runs.node("whole 0") == ""
    assert runs.put(at=n, source="parts", scope="0", seal=True) == "ok"
    assert runs.put("document", seal=True) == "ok"
    runs.drained()
    assert runs.node("whole 0").isdigit()
    assert runs.batch().state == "complete"


def test_a_failed_part_is_left_out_and_told(runs: Runs) -> None:
    runs.open()
    runs.document(0, "a", "b", "c", last=True)
    first, second, third = runs.take().claims
    runs.answer(first, "A")
    runs.fail(second)
    runs.answer(third, "C")
    claim = runs.claim()
    assert (runs.parents(claim), runs.place(claim).missing) == (["facts 0.0", "facts 0.2"], 1)
    runs.answer(claim, "AC")
    assert runs.node("facts 0.1") == f"x failed {second.id}"
    assert (runs.batch().state, runs.batch().failed) == ("complete", 1)


def test_a_document_whose_parts_all_failed_stops_alone(runs: Runs) -> None:
    runs.open()
    runs.document(0, "a", "b")
    runs.document(1, "c", last=True)
    lost = runs.take(2).claims
    for claim in lost:
        runs.fail(claim)
    assert runs.drained() == ["facts 1.0", "whole 1~1.0"]
    assert runs.node("whole 0") == f"x failed {lost[0].id}"
    assert runs.node("whole 1").isdigit()
    assert runs.batch().state == "complete"


def test_a_reduce_may_ask_for_all_parts(runs: Runs) -> None:
    runs.open(DOCUMENTS | {"whole": reduction("facts", "parts", 3, on_failure="fail")})
    runs.document(0, "a", "b", last=True)
    lost = runs.claim()
    runs.fail(lost)
    assert runs.drained() == ["facts 0.1"]
    assert runs.node("whole 0") == f"x failed {lost.id}"
    assert runs.batch().state == "complete"


def test_a_document_without_parts_has_no_answer(runs: Runs) -> None:
    runs.open()
    runs.document(0, last=True)
    assert runs.node("whole 0") == "x empty"
    assert (runs.batch().state, runs.batch().total) == ("complete", 0)


def test_a_step_waits_for_all_steps_that_it_follows(runs: Runs) -> None:
    graph = {
        "inputs": source("a", "b", "both"),
        "a": step("map", "inputs", to=["both"]),
        "b": step("map", "inputs", to=["both"]),
        "both": step("map", "a", "inputs", "b"),
    }
    runs.open(graph)
    runs.put("one", "two", seal=True)
    a0, b0, a1, b1 = runs.take().claims
    runs.answer(a0, "A")
    assert runs.taken() == []
    runs.answer(b0, "B")
    runs.answer(a1, "A")
    runs.fail(b1)
    (claim,) = runs.take().claims
    assert (claim.custom_id, runs.parents(claim)) == ("both 0", ["a 0", "@0", "b 0"])
    runs.answer(claim, "AB")
    assert runs.node("both 1") == f"x failed {b1.id}"
    assert runs.batch().state == "complete"


def test_all_inputs_may_become_one_answer(runs: Runs) -> None:
    graph = {
        "inputs": source("facts", closed_by=["whole"]),
        "facts": step("map", "inputs", to=["whole"]),
        "whole": reduction("facts", "inputs", 2, to=["title"]),
        "title": step("map", "whole"),
    }
    runs.open(graph)
    runs.put(*"abcde", seal=True)
    done = runs.drained()
    assert done[-1] == "title "
    assert sorted(name for name in done if "~" in name) == [
        "whole ~1.0",
        "whole ~1.1",
        "whole ~1.2",
        "whole ~2.0",
        "whole ~3.0",
    ]
    assert runs.batch().state == "complete"


def test_items_that_are_sent_again_change_nothing(runs: Runs) -> None:
    runs.open()
    for _ in range(3):
        assert runs.put("a", "b", source="parts", scope="0") == "ok"
    assert runs.put("b", "c", at=1, source="parts", scope="0", seal=True) == "ok"
    assert runs.put("x", at=5, source="parts", scope="1") == "gap"
    for _ in range(2):
        assert runs.put("document", seal=True) == "ok"
    assert runs.put("another", at=1) == "sealed"
    assert sorted(runs.answered()) == ["facts 0.0", "facts 0.1", "facts 0.2"]
    assert runs.open().inputs == 1
    assert runs.drained() == ["whole 0~1.0"]


def test_other_items_in_the_place_of_those_that_are_there_are_refused(runs: Runs) -> None:
    runs.open()
    assert runs.put("a", "b", source="parts", scope="0") == "ok"
    assert runs.put("a", "x", source="parts", scope="0") == "differs"
    assert runs.put("x", "b", "c", source="parts", scope="0") == "differs"
    assert runs.put("a", source="parts", scope="0", seal=True) == "differs"
    assert runs.put("a", "b", source="parts", scope="0", seal=True) == "ok"
    assert runs.put("a", "b", "c", source="parts", scope="0", seal=True) == "differs"
    assert runs.put("a", "b", "c", source="parts", scope="0") == "differs"
    assert sorted(runs.answered()) == ["facts 0.0", "facts 0.1"]
    assert runs.drained() == ["whole 0~1.0"]


def test_what_was_begun_is_finished_before_more_is_begun(runs: Runs) -> None:
    runs.open()
    for i in range(3):
        runs.document(i, "a", "b", last=i == 2)
    done = []
    while claims := runs.take(1).claims:
        done.append(claims[0].custom_id)
        runs.answer(claims[0], "x")
    assert done[2] == "whole 0~1.0"
    assert done[5] == "whole 1~1.0"


def test_a_cancelled_run_makes_no_further_nodes(runs: Runs) -> None:
    runs.open()
    runs.document(0, "a", "b")
    claim = runs.claim()
    runs.run(admin.cancel_batch(runs.keys, RUN))
    runs.answer(claim, "A")
    runs.sweep()
    assert runs.taken() == []
    assert (runs.batch().state, runs.batch().succeeded, runs.batch().cancelled) == ("complete", 1, 1)
    assert runs.put("late", at=1) == "cancelled"


def test_one_budget_caps_the_whole(runs: Runs) -> None:
    runs.budget(10**9)
    runs.open(cap=2 * BOUND + 30)
    runs.document(0, "a", last=True)
    claim = runs.claim()
    assert claim.bound is not None
    runs.answer(claim, "A")
    assert runs.taken() == []
    assert "budget" in runs.error(f"{RUN}-1")["message"]
    assert runs.batch().state == "complete"


def test_the_bound_of_a_call_grows_with_what_its_prompt_is_made_of(runs: Runs) -> None:
    runs.open()
    runs.document(0, "a", last=True)
    first = runs.claim()
    item = len('{"text":"a"}')
    assert (first.bound, runs.place(first).size) == (BOUND + item * NANO_A_BYTE, item)
    runs.answer(first, "x" * 5000)
    second = runs.claim()
    place = runs.place(second)
    assert place.size > 5000
    assert second.bound == place.bound == BOUND + place.size * NANO_A_BYTE
    # What an envelope has beside its answer counts for nothing.
    assert second.input_tokens == second.total_tokens == ceil((place.size - 700) * TOKENS_A_BYTE)


def test_an_end_that_is_told_again_makes_nothing_twice(runs: Runs) -> None:
    runs.open()
    runs.document(0, "a", last=True)
    claim = runs.claim()
    for _ in range(3):
        runs.answer(claim, "A")
    assert runs.drained() == ["whole 0~1.0"]
    assert runs.flow().steps == {"facts": {"made": 1, "succeeded": 1}, "whole": {"made": 1, "succeeded": 1}}


def test_a_node_whose_worker_was_lost_goes_on(runs: Runs) -> None:
    runs.open()
    runs.document(0, "a", last=True)
    runs.lose(runs.claim())
    assert runs.drained() == ["facts 0.0", "whole 0~1.0"]


def test_the_jobs_of_a_run_are_not_retried_one_by_one(runs: Runs) -> None:
    runs.open()
    runs.document(0, "a", last=True)
    claim = runs.claim()
    runs.fail(claim)
    assert runs.run(admin.retry(runs.keys, claim.id, "j2")).answer == "node of a flow"


BRANCHES = {
    "inputs": source("kind", closed_by=["all"]),
    "kind": step("map", "inputs", to=["good", "bad"]),
    "good": step("filter", "kind", to=["first"]),
    "bad": step("filter", "kind", to=["mended"]),
    "mended": step("map", "bad", to=["first"]),
    "first": step("join", "good", "mended", to=["all"]),
    "all": reduction("first", "inputs", 5),
}


def drop(runs: Runs, claim: Claim, *names: str) -> None:
    """A good reply that some filters do not let pass, as a worker tells it."""
    runs.settle(claim, {"drop": list(names), "body": {"choices": []}, "custom_id": claim.custom_id})


def test_answers_go_by_what_filters_make_of_them(runs: Runs) -> None:
    runs.open(BRANCHES)
    runs.put("a", "b", "c", seal=True)
    a, b, c = runs.take().claims
    drop(runs, a, "bad")
    drop(runs, b, "good")
    drop(runs, c, "good", "bad")
    (claim,) = runs.take().claims
    assert (claim.custom_id, runs.parents(claim)) == ("mended 1", ["kind 1"])
    runs.answer(claim, "better")
    (claim,) = runs.take().claims
    assert (claim.custom_id, runs.parents(claim)) == ("all ~1.0", ["kind 0", "mended 1"])
    assert runs.place(claim).missing == 0, "what a filter has left out has not failed"
    runs.answer(claim, "done")
    assert runs.batch().state == "complete"
    assert runs.node("good 1") == f"x dropped {b.id}"
    assert runs.node("first 2") == f"x dropped {c.id}"
    assert runs.flow().steps["good"] == {"passed": 1, "absent": 2}


def test_a_join_tells_of_what_failed_rather_than_of_what_was_left_out(runs: Runs) -> None:
    runs.open(BRANCHES)
    runs.put("a", seal=True)
    (kind,) = runs.take().claims
    drop(runs, kind, "good")
    (mended,) = runs.take().claims
    runs.fail(mended)
    assert runs.node("first 0") == f"x failed {mended.id}"
    assert runs.node("all ") == f"x failed {mended.id}"
    assert runs.batch().state == "complete"


def test_nodes_that_end_together_make_the_next_ones(runs: Runs) -> None:
    runs.plan()
    runs.open()
    for number in range(3):
        runs.document(number, "a", "b", last=number == 2)
    while claims := runs.take(100, settings=0).claims:
        assert set(runs.settle_together(*claims)) == {"ok"}
        assert set(runs.settle_together(*claims)) == {"ok"}, "told again, they make nothing twice"
    assert runs.flow().steps == {"facts": {"made": 6, "succeeded": 6}, "whole": {"made": 3, "succeeded": 3}}
    assert (runs.batch().state, runs.batch().succeeded) == ("complete", 9)


def test_an_odd_run_holds_up_no_other_in_its_company(runs: Runs) -> None:
    runs.plan()
    runs.open()
    runs.document(0, "a", "b", last=True)
    runs.submit("other")
    runs.redis("HSET", runs.keys.flow(RUN), "whole|record", "no JSON")
    claims = runs.take(100).claims
    assert set(runs.settle_together(*claims)) == {"ok"}
    assert runs.job("other").state == "succeeded"
    assert_is_halted(runs)


def assert_is_halted(runs: Runs, node: str = "what follows facts 0.") -> None:
    """The run has ended, and says why; nothing of it is left behind in the books."""
    runs.sweep()
    assert (runs.batch().state, runs.batch().cancel) == ("complete", True)
    assert runs.batch().cancel_why.startswith(node)
    assert runs.events().count("batch.cancelled") == 1
    assert runs.counters().get("live", 0) == 0


def test_a_run_whose_next_node_cannot_be_made_ends_and_tells(runs: Runs) -> None:
    runs.open()
    runs.document(0, "a", "b")
    runs.document(1, "c")
    runs.redis("HSET", runs.keys.flow(RUN), "whole|record", "no JSON")
    first, second = runs.take(2).claims
    runs.answer(first, "A")
    runs.answer(second, "B")
    runs.answer(second, "B")
    assert_is_halted(runs, "what follows facts 0.1: ")
    assert (runs.batch().succeeded, runs.batch().cancelled) == (2, 1)
    assert runs.put("late", at=2) == "cancelled"


def test_it_ends_so_where_a_worker_was_lost(runs: Runs) -> None:
    runs.open()
    runs.document(0, "a", "b", last=True)
    runs.redis("HSET", runs.keys.flow(RUN), "whole|record", "no JSON")
    first, second = runs.take(2).claims
    runs.answer(first, "A")
    runs.lose(second)
    while claims := runs.take(2).claims:
        runs.lose(claims[0])
    assert_is_halted(runs, "what follows facts 0.1: ")


def test_items_whose_nodes_cannot_be_made_are_put_once(runs: Runs) -> None:
    runs.open(DOCUMENTS | {"inputs": source("more"), "more": step("map", "inputs")})
    runs.redis("HSET", runs.keys.flow(RUN), "more|record", "no JSON")
    assert runs.put("a", "b", source="parts", scope="0", seal=True) == "ok"
    for _ in range(2):
        assert runs.put("document", seal=True) == "cancelled"
    assert_is_halted(runs, "input")
    assert runs.batch().cancelled == 2
