"""The official clients for Node.js work unchanged: chat, streams, tools, embeddings, responses, messages, errors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.gateway.conftest import CLAUDE, EMBEDDER, MODEL, Cell
from tests.patience import PATIENCE_S

#: Directory in which they are installed.
CLIENTS = "HOMA_TEST_NODE_CLIENTS"
pytestmark = pytest.mark.skipif(CLIENTS not in os.environ, reason=f"{CLIENTS} is not set: make test-peers sets it")
SCRIPT = Path(__file__).with_name("node_clients.mjs")


def test_the_official_node_clients_work_unchanged(cell: Cell) -> None:
    # Modules are looked for beside the script.
    script = shutil.copy(SCRIPT, os.environ[CLIENTS])
    command = ["node", script, cell.url, MODEL, CLAUDE, EMBEDDER]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=4 * PATIENCE_S)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert "hello" in found["chat"]
    for streamed, whole in (found["stream"], found["message_stream"]):
        assert streamed == whole
        assert "hello" in whole
    name, arguments, deltas = found["tools"]
    assert (name, arguments) == ("weather", {"city": "Oslo"})
    assert deltas >= 1
    assert found["embeddings"] == [found["embeddings"][0]] * 2
    assert found["embeddings"][0] > 100
    for answer in ("response", "response_stream", "message"):
        assert "hello" in found[answer]
    assert found["background"] == "completed"
    assert found["message_tools"] == [["weather", {"city": "Oslo"}]]
    assert found["count"] > 0
    assert found["error"] == ["NotFoundError", 404, "model_not_found"]
    assert found["message_error"] == ["NotFoundError", 404, "not_found_error"]
