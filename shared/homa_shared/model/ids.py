"""Identifiers: sortable by time, short, unique without a round trip.

A job or batch id is a letter, ten characters of milliseconds and eight random ones, in Crockford's base 32. A job of a
batch is named by its line, `<batch>-<line>`, so that sending the same line twice cannot make two jobs.
"""

from __future__ import annotations

import itertools
import os
import re
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_MADE = re.compile(f"[bj][{_ALPHABET}]{{18}}")


def _base32(number: int, pairs: int) -> str:
    return "".join(_PAIRS[(number >> (10 * i)) & 1023] for i in range(pairs - 1, -1, -1))


def _unique() -> str:
    return _base32(time.time_ns() // 1_000_000, 5) + _base32(int.from_bytes(os.urandom(5), "big"), 4)


def unique_id() -> str:
    """Eighteen characters that sort by time."""
    return _unique()


def new_job_id() -> str:
    return "j" + _unique()


def new_batch_id() -> str:
    return "b" + _unique()


def new_conversation_id() -> str:
    return "c" + _unique()


def is_batch_id(name: str) -> bool:
    """Whether a name has the form that `new_batch_id` gives."""
    return _MADE.fullmatch(name) is not None and name[0] == "b"


def is_job_id(name: str) -> bool:
    """Whether a name has the form that `new_job_id` or `batch_job_id` gives."""
    batch, _, line = name.partition("-")
    return is_batch_id(batch) and line.isdecimal() if line else _MADE.fullmatch(name) is not None and name[0] == "j"


def new_worker_id(provider: str) -> str:
    return f"{provider}-{_unique()[4:]}"


#: Tells this process from others, also from one before it under the same worker's id.
_process = os.urandom(6).hex()
_questions = itertools.count(1)


def new_nonce() -> str:
    """Names one request, `process-number`; the numbers of a process ascend."""
    return f"{_process}-{next(_questions)}"


def batch_job_id(batch_id: str, line: int) -> str:
    return f"{batch_id}-{line}"


def split_attempt(name: str) -> tuple[str, int]:
    """`job:attempt` apart. Job ids hold no colon; ids of foreign messages may, hence the last one counts."""
    job_id, _, attempt = name.rpartition(":")
    return job_id, int(attempt)
