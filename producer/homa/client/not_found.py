"""What is said of ids that are not text, and of jobs and batches that the store does not hold."""

from __future__ import annotations

from homa.submit.option_checks import check_text
from homa_shared.model.errors import InvalidRequest, JobNotFound

_WHY = "its id is wrong, or its retention has ended"


def check_id(what: str, given: object) -> None:
    """Raises InvalidRequest for what cannot be the id of a job or batch (`what`)."""
    if not isinstance(given, str) or not given:
        raise InvalidRequest(f"{what} is {given!r:.80}: expected a handle, or an id as submitting gives it")
    check_text(what, given)


def job_not_found(job_id: str) -> JobNotFound:
    return JobNotFound(f"job {job_id} is not in the store: {_WHY}")


def batch_not_found(batch_id: str) -> JobNotFound:
    return JobNotFound(f"batch {batch_id} is not in the store: {_WHY}; `homa batches list` shows all")
