"""Every Python example of README and docs passes mypy, in strict mode, and pyright."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import typecheckers
from tests.docs.pages import ROOT

_PYTHON = re.compile(r"^(?:<!-- (?P<order>[^>]*?) -->\n)?```python\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
#: Files of libraries that have no types, or are not installed here.
UNTYPED = {"tickets.py", "celery_chores.py", "agent.py", "chain.py", "homa_airflow.py", "homa_dagster.py"}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """A folder with a module for the examples of each page, in their order, and one for each file that a page shows."""
    folder = tmp_path_factory.mktemp("examples")
    made: list[Path] = []
    for page in PAGES:
        shown: list[str] = []
        for example in _PYTHON.finditer(page.read_text(encoding="utf-8")):
            order = (example["order"] or "").split()
            if order[:1] == ["file"] and order[1] in UNTYPED:
                continue
            if order[:1] == ["file"]:
                made.append(folder / order[1])
                made[-1].write_text(example["text"])
            else:
                shown.append(example["text"])
        if shown:
            made.append(folder / f"{page.stem.lower().replace('-', '_')}_page.py")
            made[-1].write_text("\n".join(shown))
    assert {"readme_page.py", "python_page.py"} <= {module.name for module in made}
    return folder, made


def test_mypy_has_nothing_to_say(modules: tuple[Path, list[Path]]) -> None:
    folder, made = modules
    assert typecheckers.mypy(made, folder) == []


def test_pyright_has_nothing_to_say(modules: tuple[Path, list[Path]]) -> None:
    folder, made = modules
    assert typecheckers.pyright(made, folder) == []
