"""What families of Cohere's models take."""

from __future__ import annotations

import pytest

from tests.kinds.fitting import lacks, sent


@pytest.mark.parametrize(
    ("model", "given", "taken"),
    [
        ("command-a-reasoning-08-2025", "low", "high"),
        ("command-a-plus-05-2026", "minimal", "none"),
        ("command-a-03-2025", "high", None),
        ("some-model", "low", "low"),
    ],
)
def test_cohere_knows_two_efforts_at_models_that_reason(model: str, given: str, taken: str | None) -> None:
    assert sent("cohere", model, reasoning_effort=given).get("reasoning_effort") == taken


def test_cohere_takes_none_of_openais_switches() -> None:
    given = {"user": "u", "verbosity": "low", "prompt_cache_key": "k", "logit_bias": {}}
    assert sent("cohere", "command-a-03-2025", temperature=0, stop="END", **given) == {"temperature": 0, "stop": "END"}
    assert lacks("cohere", "command-a-03-2025", n=2) == "command-a-03-2025 gives one answer a call"
