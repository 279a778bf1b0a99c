"""What is raised where a job was not accepted, or may not have been."""

from __future__ import annotations

from homa_shared.model.errors import KeyConflict, StoreUnavailable


def key_conflict(key: str | None, job_id: str) -> KeyConflict:
    """A key was used before with another request."""
    return KeyConflict(
        f"key {key!r} was used before with another request, by job {job_id}: expected the same request, or another key",
        job_id=job_id,
    )


def uncertain(error: StoreUnavailable, job_id: str, key: str | None) -> StoreUnavailable:
    """Nobody has answered whether a job was accepted."""
    again = f"submitted again with the key {key!r} it is accepted once" if key else "a key makes submitting again safe"
    told = StoreUnavailable(
        f"{error}. Job {job_id} may have been accepted: homa.job({job_id!r}).state() tells, once the store "
        f"answers; {again}"
    )
    told.job_id = job_id
    return told
