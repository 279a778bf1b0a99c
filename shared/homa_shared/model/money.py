"""Money is an integer of nano-dollars (a billionth of a dollar), from the price list to the ledger.

The dearest common model costs some 75 000 nano-dollars a token and the cheapest about 10, so that a token's price is
nearly always a whole number here and sums are exact. Scripts in the store compute with doubles, which hold whole
numbers up to 2**53: nine million dollars of nano-dollars. That is the most that one amount may be.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

#: Nano-dollars in a dollar.
NANO_PER_USD = 1_000_000_000
#: Dollars; larger amounts would lose digits in the store's scripts.
MAX_USD = 9_000_000
_EXPECTED = "a decimal number of dollars such as 5 or '0.25'"


def usd(nano_usd: int) -> str:
    """Dollars as a decimal string, exact, with at least two places: `usd(1_234_567) == '0.001234567'`.

    Args:
        nano_usd: an amount in nano-dollars; negative ones (differences, refunds) keep their sign.
    """
    whole, nano = divmod(abs(nano_usd), NANO_PER_USD)
    places = f"{nano:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if nano_usd < 0 else ''}{whole}.{places}"


def parse_usd(amount: str | int | float | Decimal) -> int:
    """Nano-dollars of an amount in dollars.

    A float stands for the digits that were typed (its shortest decimal form), so that 0.1 is a tenth; no arithmetic is
    done on it.

    Raises:
        ValueError: the amount is not a number, not finite, negative, above `MAX_USD`, or finer than a nano-dollar.
    """
    dollars = _decimal(amount)
    if not dollars.is_finite():
        raise ValueError(f"{_said(amount)} is not an amount of money: expected {_EXPECTED}")
    if dollars < 0:
        raise ValueError(f"{_said(amount)} is negative: expected {_EXPECTED}, zero or more")
    if dollars > MAX_USD:
        raise ValueError(f"{_said(amount)} is more than {MAX_USD:,} dollars, the most that one amount may be")
    nano_usd = dollars * NANO_PER_USD
    if nano_usd != int(nano_usd):
        raise ValueError(f"{_said(amount)} is finer than a nano-dollar: expected at most nine decimal places")
    return int(nano_usd)


def _decimal(amount: object) -> Decimal:
    if isinstance(amount, bool) or not isinstance(amount, str | int | float | Decimal):
        raise ValueError(f"{_said(amount)} is not an amount of money: expected {_EXPECTED}")
    try:
        return Decimal(repr(amount)) if isinstance(amount, float) else Decimal(amount)
    except InvalidOperation:
        raise ValueError(f"{_said(amount)} is not an amount of money: expected {_EXPECTED}") from None


def _said(amount: object) -> str:
    return str(amount) if isinstance(amount, Decimal) else repr(amount)
