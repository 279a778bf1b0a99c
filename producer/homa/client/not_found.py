"""What is said of ids that are not text, and of jobs and batches that the store does not hold."""

from __future__ import annotations

from homa.submit.option_checks import check_text
from homa_shared.model.errors import InvalidRequest, JobNotFound
from homa_shared.model.ids import is_batch_id, is_job_id

_WHY = "its id is wrong, or its retention has ended"


def check_id(what: str, given: object) -> None:
    """Raises InvalidRequest for what cannot be the id of a job or batch (`what`)."""
    if not isinstance(given, str) or not given:
        raise InvalidRequest(f"{what} is {given!r:.80}: expected a handle, or an id as submitting gives it")
    check_text(what, given)


def job_not_found(job_id: str) -> JobNotFound:
    if is_batch_id(job_id):
        return JobNotFound(f"{job_id} names a batch: expected a job; `homa jobs list --batch {job_id}` shows its jobs")
    return JobNotFound(f"job {job_id} is not in the store: {_WHY}")


def batch_not_found(batch_id: str) -> JobNotFound:
    if is_job_id(batch_id):
        its = batch_id.partition("-")[0] if "-" in batch_id else "a batch; `homa batches list` shows all"
        return JobNotFound(f"{batch_id} names a job: expected {its}")
    return JobNotFound(f"batch {batch_id} is not in the store: {_WHY}; `homa batches list` shows all")
