"""Context windows that the price list lacks."""

from __future__ import annotations

import pytest

from homa_shared.kinds.context_windows import documented_window
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.settings.fleet import Fleet


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("gemini-2.5-pro", 1_048_576),
        ("google/gemini-3.1-pro-preview", 1_048_576),
        ("gemini-2.5-pro-tts", None),
        ("command-a-03-2025", 256_000),
        ("command-a-reasoning-08-2025", 256_000),
        ("command-a-vision-07-2025", None),
        ("command-r-plus-08-2024", 128_000),
        ("command-r7b-12-2024", None),
        ("gpt-9", None),
    ],
)
def test_what_makers_document(model: str, window: int | None) -> None:
    assert documented_window(model) == window


def test_a_window_is_known_where_the_price_list_has_none() -> None:
    fleet = Fleet.model_validate({"providers": {"gemini": {"kind": "gemini"}}})
    assert PriceBook(fleet).context_window(Target.parse("gemini:gemini-3.1-pro-preview")) == 1_048_576
