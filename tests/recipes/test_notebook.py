"""A notebook, executed headless: the first result takes three lines, and no terminal."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from homa_shared.store.embedded import EmbeddedStore
from homa_workers.simulator import SimulatorConfig, SimulatorThread
from tests.recipes.conftest import recipe


def test_the_cells_run_from_the_first_to_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [block.text for block in recipe("cell")]
    assert len(cells[0].splitlines()) == 3
    monkeypatch.chdir(tmp_path)
    with SimulatorThread(SimulatorConfig(output_tokens=20)) as simulator:
        for name in ("HOMA_REDIS_URL", "HOMA_NAMESPACE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOMA_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("HOMA_PROVIDERS__OPENAI__API_KEY", "sk-test")
        monkeypatch.setenv("HOMA_PROVIDERS__OPENAI__BASE_URL", f"{simulator.url}/openai/v1")
        for folder in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
            monkeypatch.setenv(folder, str(tmp_path / folder.lower()))
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
        try:
            NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
        finally:
            # The store lives on after its client.
            EmbeddedStore(tmp_path / "home").stop()
        assert simulator.bill()["total"]["requests"] == 3
    first, table, _ = notebook.cells
    assert first.outputs[-1]["data"]["text/plain"].strip("'")
    assert "The pump stopped." in table.outputs[-1]["data"]["text/plain"]
