"""A run of the command line whose options, first rows and models have been checked."""

from __future__ import annotations

from typing import TypeAlias

from homa.cli.run.options import RunRequest
from homa.runs import checked_run

CheckedRun: TypeAlias = checked_run.CheckedRun[RunRequest]
