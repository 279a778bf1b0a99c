"""Examples name current models, which stand in one table."""

from __future__ import annotations

import subprocess
import sys

import pytest

from homa_shared.kinds.registry import builtin_kinds, profile_of
from homa_shared.model.example_models import EXAMPLES, OPENAI
from homa_shared.pricing.price_list import listed
from tests.docs.pages import ROOT
from tools.example_models import KEPT, findings, rewritten


def test_no_document_demo_or_test_names_another_model() -> None:
    command = [sys.executable, str(ROOT / "tools" / "example_models.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("model='openai:gpt-5-mini'.", f"model='{OPENAI.target}'."),
        ("openai/gpt-5-mini, gpt-5-mini", f"openai/{OPENAI.model}, {OPENAI.model}"),
        ("gpt-5-mini-2025-08-07 gpt-5* gpt-5.1 gpt-5-* gpt-5-pro my-gpt-5", None),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0 command-run", None),
        (OPENAI.target, None),
    ],
)
def test_whole_names_are_rewritten_and_no_part_of_another(text: str, written: str | None) -> None:
    assert rewritten(text) == (text if written is None else written)
    assert rewritten(rewritten(text)) == rewritten(text)


@pytest.mark.parametrize(
    "name", ["gpt-4o", "claude-opus-4-6", "gemini-2.0-flash", "o3", "us.amazon.nova-pro-v1:0", "o4-mini"]
)
def test_what_users_read_names_only_models_of_the_table(name: str) -> None:
    assert [finding.name for finding in findings("docs/page.md", f"as `{name}` does")] == [name]
    assert [finding.name for finding in findings("tests/test_x.py", f"as `{name}` does")] == []


def test_a_predecessor_is_found_with_its_line_and_what_belongs_there() -> None:
    (found,) = findings("tests/test_x.py", "first\nopenai:gpt-5-mini\n")
    assert str(found) == f"tests/test_x.py:2: gpt-5-mini: write {OPENAI.model} (make example-models)"


def test_a_name_stands_in_the_table_once() -> None:
    names = [name for example in EXAMPLES for name in (example.model, *example.was)]
    assert len(names) == len(set(names))


def test_every_example_is_of_a_kind_and_has_a_price_where_that_kind_has_a_list() -> None:
    for example in EXAMPLES:
        assert example.provider in builtin_kinds()
        price_list = profile_of(example.provider).billing.price_list
        assert price_list is None or listed(example.model, price_list), example.target


def test_what_is_kept_is_there_with_a_reason() -> None:
    for path, reason in KEPT.items():
        assert reason
        assert list(ROOT.glob(f"{path}*" if not path.endswith("/") else path)), path
