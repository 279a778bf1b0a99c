"""--limit and --sample: part of the rows, in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homa.files import limited, sampled
from homa_shared.model.errors import InvalidRequest


def test_a_limit_reads_no_row_beyond_it() -> None:
    def rows() -> Iterator[int]:
        yield 1
        yield 2
        pytest.fail("read on")

    assert list(limited(rows(), 2)) == [1, 2]


@given(st.integers(0, 300), st.integers(1, 50), st.integers())
def test_a_sample_keeps_the_order_and_draws_no_row_twice(total: int, size: int, seed: int) -> None:
    drawn = sampled(range(total), size, seed)
    assert len(drawn) == min(total, size)
    assert drawn == sorted(set(drawn))


def test_the_same_seed_draws_the_same_rows() -> None:
    assert sampled(range(10_000), 5, 1) == sampled(range(10_000), 5, 1) != sampled(range(10_000), 5, 2)


def test_every_row_is_drawn_equally_often() -> None:
    drawn = Counter(row for seed in range(4000) for row in sampled(range(20), 5, seed))
    # 1000 each are expected, with a standard deviation of 27.
    assert all(850 < drawn[row] < 1150 for row in range(20))


@pytest.mark.parametrize("count", [0, -1])
def test_a_number_below_one_is_refused(count: int) -> None:
    with pytest.raises(InvalidRequest, match=f"--limit is {count}"):
        limited([], count)
    with pytest.raises(InvalidRequest, match=f"--sample is {count}"):
        sampled([], count)
