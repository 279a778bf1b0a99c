"""`homa store blobs`: nothing that a job needs is ever deleted, and what nobody needs is looked at before."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from homa import Homa
from homa_shared.settings.model import load_settings
from homa_shared.store.blobs import blobs_at, new_path
from homa_shared.store.operation import Op
from homa_shared.store.transitions.media import sweep_media, uploading
from tests.commands_b.stand import MODEL, Stand

DAY_S = 86_400


@pytest.fixture
def bucket(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = stand.home / "bucket"
    monkeypatch.setenv("HOMA_BLOBS", str(directory))
    return directory


def files(bucket: Path) -> list[str]:
    return sorted(str(path.relative_to(bucket)) for path in bucket.rglob("*") if path.is_file())


def put(bucket: Path, path: str, *, age_s: float = 8 * DAY_S) -> str:
    blobs_at(bucket.as_uri()).put(path, b"left over")
    then = time.time() - age_s
    os.utime(bucket / path, (then, then))
    return path


def age_all(bucket: Path) -> None:
    for path in files(bucket):
        os.utime(bucket / path, (1, 1))


def test_orphans_are_listed_and_deleted_only_when_asked(stand: Stand, bucket: Path) -> None:
    namespace = stand.settings.namespace
    orphan = put(bucket, new_path(namespace, "ab" * 32))
    put(bucket, new_path(namespace, "cd" * 32), age_s=DAY_S)
    put(bucket, f"{namespace}-other/ab/cd-1")
    found = stand.json("store", "blobs")
    assert [row["path"] for row in found["orphans"]] == [orphan]
    assert (found["bytes"], found["deleted"], found["orphans"][0]["age_s"] // DAY_S) == (9, False, 8)
    said = stand.said("store", "blobs")
    assert orphan in said.stdout
    assert "--delete removes them" in said.stderr
    assert len(files(bucket)) == 3
    assert stand.json("store", "blobs", "--delete")["deleted"] is True
    assert orphan not in files(bucket)
    assert len(files(bucket)) == 2
    assert "no blob of that age" in stand.said("store", "blobs").stderr


def test_what_a_job_needs_somebody_uploads_or_a_worker_deletes_is_no_orphan(stand: Stand, bucket: Path) -> None:
    with Homa(settings=load_settings()) as homa:
        homa.submit("p" * 70_000, model=MODEL, max_tokens=100)
    (needed,) = files(bucket)
    coming = put(bucket, new_path(stand.settings.namespace, "ab" * 32))
    going = put(bucket, new_path(stand.settings.namespace, "cd" * 32))
    stand.store.run(uploading(stand.store.keys, [coming, going]))
    stand.store.run(Op((("ZADD", stand.store.keys.media_uploads(), 1, going),), lambda _: None))
    assert stand.store.run(sweep_media(stand.store.keys)).paths == [going]
    age_all(bucket)
    assert stand.json("store", "blobs", "--delete")["orphans"] == []
    assert files(bucket) == sorted([needed, coming, going])


def test_a_young_age_and_a_missing_setting_are_refused(
    stand: Stand, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = stand.said("store", "blobs", "--older-than", "5m")
    assert said.status == 2
    assert "expected at least 1h" in said.stderr
    monkeypatch.delenv("HOMA_BLOBS")
    said = stand.said("store", "blobs")
    assert said.status == 2
    assert "no blob store is set here: expected HOMA_BLOBS" in said.stderr
