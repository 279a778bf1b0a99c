"""Other people's clients work unchanged: LiteLLM, LangChain, Instructor, autobatcher, curator, Vercel's AI SDK.

Each in an environment of its own: `make test-peers` installs them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import CLAUDE, EMBEDDER, MODEL, Cell
from tests.patience import PATIENCE_S

#: Interpreters that have them, and the folder of packages for Node.js.
CLIENTS, CURATOR, NODE = "HOMA_TEST_THIRD_PARTY", "HOMA_TEST_CURATOR", "HOMA_TEST_NODE_CLIENTS"
HERE = Path(__file__).parent
#: They ask their makers for nothing, tell them nothing, and have a key of OpenAI's to find.
QUIET = {
    "OPENAI_API_KEY": "none",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LANGCHAIN_TRACING_V2": "false",
    "TELEMETRY_ENABLED": "0",
    "HF_HUB_OFFLINE": "1",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
}
OSLO = {"city": "Oslo"}


def needs(variable: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(variable not in os.environ, reason=f"{variable} is not set: make test-peers sets it")


def said(*command: str | Path, cwd: Path) -> Any:
    """What a program prints last; some log to standard output, too."""
    env = {**os.environ, **QUIET, "CURATOR_CACHE_DIR": str(cwd)}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5 * PATIENCE_S, cwd=cwd, env=env)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.strip().splitlines()[-1])


@needs(CLIENTS)
def test_litellm_langchain_and_instructor_work_unchanged(cell: Cell, tmp_path: Path) -> None:
    script = HERE / "third_party_clients.py"
    found = said(os.environ[CLIENTS], script, cell.url, MODEL, CLAUDE, EMBEDDER, cwd=tmp_path)
    litellm, langchain = found["litellm"], found["langchain"]
    for name in ("chat", "stream", "response", "response_stream", "messages"):
        assert litellm[name] == "hello", name
    assert litellm["tools"] == ["Weather", OSLO]
    assert litellm["embeddings"] == [1536, 1536]
    assert litellm["error"] == 404
    assert litellm["batch"] == ["c0", "c1", "c2"]
    for name in ("chat", "stream", "response", "response_stream"):
        assert langchain[name] == "hello", name
    assert langchain["usage"]
    assert langchain["tools"] == langchain["response_tools"] == ["Weather", OSLO]
    assert langchain["structured"] == "Oslo"
    assert langchain["batch"] == [True] * 3
    assert langchain["embeddings"] == [1536, 1536]
    assert found["instructor"] == {"TOOLS": "Oslo", "RESPONSES_TOOLS": "Oslo"}


@needs(CLIENTS)
def test_autobatcher_makes_background_responses_and_batches_of_calls(cell: Cell, tmp_path: Path) -> None:
    found = said(os.environ[CLIENTS], HERE / "autobatcher_client.py", cell.url, MODEL, EMBEDDER, cwd=tmp_path)
    assert found["flex"] == found["batch"] == [f"hello {number}" for number in range(4)]
    assert found["embeddings"] == [1536, 1536]
    assert found["response"] == "hello"


@needs(CURATOR)
def test_curator_completes_its_batches(cell: Cell, tmp_path: Path) -> None:
    found = said(os.environ[CURATOR], HERE / "curator_client.py", cell.url, MODEL, tmp_path / "cache", cwd=tmp_path)
    assert found == ["hello 0", "hello 1", "hello 2"]


@needs(NODE)
def test_vercels_ai_sdk_works_unchanged(cell: Cell, tmp_path: Path) -> None:
    # Modules are looked for beside the script.
    script = shutil.copy(HERE / "ai_sdk_clients.mjs", os.environ[NODE])
    found = said("node", script, cell.url, MODEL, CLAUDE, EMBEDDER, cwd=tmp_path)
    for name in ("chat", "responses", "messages"):
        assert found[name] == "hello"
        assert found[f"{name}_stream"] == ["hello", "stop"]
        assert found[f"{name}_tools"] == [["weather", OSLO]]
    assert found["embeddings"] == [1536, 1536]
    assert found["error"] == 404
