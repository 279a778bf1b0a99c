"""Worker CPU per finished job with three middlewares around its call, against none."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.result import Figure
from benchmarks.worker_cpu import ratio

_THREE = ("--middleware", "benchmarks.three_around")


def figures() -> Iterator[Figure]:
    yield ratio("worker CPU per job with three middlewares around ÷ none", _THREE, 1.05, 1.05)
