"""Sets of ids: exact for all kinds of ids, and small for those that count up."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from homa.files import Digests

_IDS = st.one_of(
    st.integers(0, 30).map(str),
    st.integers(0, 10**16).map(str),
    st.sampled_from(
        ["", "0", "00", "007", "7", "a", "a0", "a00", "a7", "a07", "a\x0027", "a\x00", "t.csv:7", "t.csv:07"]
    ),
    st.integers(0, 200_000).map("row-{}".format),
    st.integers(0, 99).map("row-{:04}".format),
    st.text(alphabet="0129aé\0", max_size=20),
)


@given(st.lists(_IDS, max_size=200))
def test_it_answers_as_a_set_does(ids: list[str]) -> None:
    found, known = Digests(), set[str]()
    for each in ids:
        assert (each in found) == (each in known)
        assert found.add(each) == (each not in known)
        known.add(each)
        assert len(found) == len(known)
    assert all(each in found for each in ids)


def test_an_id_that_was_far_off_is_still_known_when_the_others_have_come_near() -> None:
    found = Digests()
    assert found.add("r900000")
    assert all(found.add(f"r{number}") for number in range(100_000))
    assert "r900000" in found
    assert not found.add("r900000")
    assert len(found) == 100_001


def test_ids_that_count_up_take_a_bit_each() -> None:
    found = Digests()
    for number in range(200_000):
        found.add(f"lake/rows.jsonl:{number}")
        found.add(f"row-{number:08}")
    held = [numbers.bits for numbers in found._numbers.values()]
    assert sum(map(sys.getsizeof, held)) < 100_000
    assert not found._seen


def test_ids_that_end_in_digits_by_chance_do_not_grow_the_table_of_beginnings() -> None:
    found = Digests()
    for number in range(20_000):
        found.add(f"{number:x}-{number * 7919:x}a{number % 10}")
    assert len(found._numbers) <= 4096
    assert len(found) == 20_000
