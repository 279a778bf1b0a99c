"""Amounts are whole nano-dollars: exact in, exact out, and refused where they are no money."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homa_shared.model.money import MAX_USD, NANO_PER_USD, parse_usd, usd


@pytest.mark.parametrize(
    ("nano_usd", "shown"),
    [
        (0, "0.00"),
        (1, "0.000000001"),
        (1_234_567, "0.001234567"),
        (500_000_000, "0.50"),
        (1_500_000_000, "1.50"),
        (1_250_000_000_000, "1250.00"),
        (-20_000_000, "-0.02"),
    ],
)
def test_an_amount_is_shown_exactly_with_at_least_two_places(nano_usd: int, shown: str) -> None:
    assert usd(nano_usd) == shown


@pytest.mark.parametrize(
    ("written", "nano_usd"),
    [
        ("5", 5 * NANO_PER_USD),
        (5, 5 * NANO_PER_USD),
        ("0.25", 250_000_000),
        (0.1, 100_000_000),
        (Decimal("0.000000001"), 1),
        ("1e-3", 1_000_000),
        (0, 0),
        (MAX_USD, MAX_USD * NANO_PER_USD),
    ],
)
def test_an_amount_is_read_as_it_is_written(written: str | int | float | Decimal, nano_usd: int) -> None:
    assert parse_usd(written) == nano_usd


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("-1", "negative"),
        ("nan", "not an amount of money"),
        (Decimal("NaN"), "NaN is not an amount"),
        (float("inf"), "not an amount of money"),
        ("five", "'five' is not an amount of money: expected a decimal number of dollars"),
        ("", "not an amount"),
        (True, "True is not an amount"),
        (None, "None is not an amount"),
        (MAX_USD + 1, "more than 9,000,000 dollars"),
        ("0.0000000001", "finer than a nano-dollar"),
    ],
)
def test_what_is_no_amount_is_refused_with_its_value_and_what_was_expected(written: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_usd(written)  # type: ignore[arg-type]


@given(st.integers(min_value=0, max_value=MAX_USD * NANO_PER_USD))
def test_every_amount_survives_being_shown_and_read(nano_usd: int) -> None:
    assert parse_usd(usd(nano_usd)) == nano_usd


def test_the_largest_amount_is_exact_in_the_stores_doubles() -> None:
    assert MAX_USD * NANO_PER_USD < 2**53
