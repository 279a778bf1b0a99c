"""A rotation of the keys while workers run and jobs are called: nothing restarts, is lost, or is called twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homa import Homa, Job
from homa_shared.encryption.keyring import EncryptionKey, Keyring
from homa_shared.settings.model import load_settings
from homa_shared.store import reads
from homa_shared.store.operation import read
from homa_workers.simulator import SimulatorConfig, SimulatorThread
from tests.encryption.canary import WORD, dump, found_in
from tests.fixtures.secret_volume import SecretVolume
from tests.fixtures.store import eventually
from tests.gateway.conftest import MODEL, Cell, cell_at
from tests.patience import PATIENCE_S

OLD, NEW = EncryptionKey("old", b"o" * 32), EncryptionKey("new", b"n" * 32)
VARIABLE = "HOMA_ENCRYPTION_KEYS_FILE"
JOBS = 12


@pytest.fixture
def cell(store_url: str, tmp_path: Path) -> Iterator[Cell]:
    # Calls last long enough for each change to meet some of them.
    with (
        SimulatorThread(SimulatorConfig(latency_ms=400.0, reply="echo")) as simulator,
        cell_at(store_url, simulator, tmp_path / "home") as found,
    ):
        yield found


def told_by_workers(cell: Cell) -> list[list[str]]:
    """Check values of the keys that live workers have told in their heartbeats, as `homa doctor` shows them."""
    rows = cell.store.run(reads.workers(cell.store.keys))
    return [list(row.facts["encryption"]) for row in rows if row.live]


def test_no_job_notices_that_the_keys_are_rotated(cell: Cell, tmp_path: Path) -> None:
    theirs, mine = SecretVolume(tmp_path / "workers"), SecretVolume(tmp_path / "client")
    for volume in (theirs, mine):
        volume.write(OLD.written())
    cell.env |= {VARIABLE: str(theirs.path), "HOMA_ENCRYPTION_REQUIRED": "true"}
    cell.start_worker("openai")
    cell.start_worker("openai")
    jobs: list[Job] = []
    with Homa(settings=load_settings(env=cell.env | {VARIABLE: str(mine.path)})) as homa:

        def submit() -> None:
            jobs.extend(homa.submit(f"{WORD} {n}", model=MODEL, max_tokens=20) for n in range(JOBS))

        submit()
        # Added behind, then put in front; each time one side has it before the other.
        for keys, order in (((OLD, NEW), (theirs, mine)), ((NEW, OLD), (mine, theirs))):
            for volume in order:
                volume.write("\n".join(key.written() for key in keys))
                submit()
            eventually(lambda keys=keys: told_by_workers(cell) == [Keyring(keys).checks] * 2)
        submit()
        replies = [job.result(timeout=PATIENCE_S) for job in jobs]
    assert all(WORD in reply.text for reply in replies)
    assert [reply.attempts for reply in replies] == [1] * len(jobs)
    last = cell.store.run(read((("GET", cell.store.keys.reply(jobs[-1].id)),), lambda replies: replies[0]))
    assert b"new" in last[:40]
    assert cell.billed() == len(jobs)
    assert found_in(dump(cell.store)) == []
