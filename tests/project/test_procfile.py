"""What runs a Procfile ends all of it when one process ends: the one shipped runs with any subset of keys."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from homa_shared.kinds.registry import builtin_kinds
from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
KEYS = {"openai": "OPENAI_API_KEY", "cohere": "CO_API_KEY"}
PROCFILE = ROOT / "Procfile"


def types() -> dict[str, str]:
    lines = [line for line in PROCFILE.read_text().splitlines() if line and not line.startswith("#")]
    return {name: command.strip() for name, command in (line.split(":", 1) for line in lines)}


def test_every_kind_has_a_process_that_waits_without_a_key() -> None:
    assert types() == {name: f"homa worker {name} --if-configured" for name in builtin_kinds()} | {
        name: command for name, command in types().items() if name not in builtin_kinds()
    }
    assert all(command.endswith("--if-configured") for command in types().values())


@pytest.mark.parametrize("keys", [{}, {"OPENAI_API_KEY": "sk-1"}, {"OPENAI_API_KEY": "sk-1", "CO_API_KEY": "k"}])
def test_it_runs_under_honcho_with_any_subset_of_keys(
    keys: dict[str, str], store_url: str, namespace: str, tmp_path: Path
) -> None:
    binaries = tmp_path / "bin"
    binaries.mkdir()
    homa = binaries / "homa"
    homa.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m homa.cli "$@"\n')
    homa.chmod(0o755)
    # Three of them stand for all: each process imports an SDK.
    chosen = tmp_path / "Procfile"
    chosen.write_text("".join(f"{name}: {types()[name]}\n" for name in ("openai", "cohere", "mistral")))
    environment = {**os.environ, **keys, "PATH": f"{binaries}:{os.environ['PATH']}"}
    environment |= {"HOMA_REDIS_URL": store_url, "HOMA_NAMESPACE": namespace, "PYTHONPATH": os.pathsep.join(sys.path)}
    log = tmp_path / "log"
    with log.open("w") as output:
        honcho = subprocess.Popen(
            [sys.executable, "-m", "honcho", "-f", str(chosen), "-d", str(tmp_path), "start"],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    store = Store(StoreAddress.parse(store_url), namespace, role="test")
    try:
        eventually(lambda: log.read_text().count("nothing to do until a signal") == 3 - len(keys))
        eventually(lambda: sum(row.live for row in store.run(reads.workers(store.keys))) == len(keys))
        served = {row.facts.get("provider") for row in store.run(reads.workers(store.keys))}
        assert served == {provider for provider, key in KEYS.items() if key in keys}
        assert honcho.poll() is None
        honcho.send_signal(signal.SIGTERM)
        assert honcho.wait(PATIENCE_S) is not None
        assert "Traceback" not in log.read_text()
    finally:
        store.close()
        if honcho.poll() is None:
            os.killpg(honcho.pid, signal.SIGKILL)
            honcho.wait()
