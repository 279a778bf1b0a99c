"""What is said of jobs and batches that the store does not hold."""

from __future__ import annotations

from homa_shared.model.errors import JobNotFound

_WHY = "its id is wrong, or its retention has ended"


def job_not_found(job_id: str) -> JobNotFound:
    return JobNotFound(f"job {job_id} is not in the store: {_WHY}")


def batch_not_found(batch_id: str) -> JobNotFound:
    return JobNotFound(f"batch {batch_id} is not in the store: {_WHY}; `homa batches list` shows all")
