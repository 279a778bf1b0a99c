"""Options of `homa worker`."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from homa_workers.observe import logs
from homa_workers.process.worker import DEFAULT_THREADS

USAGE = 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        logs.say(f"{message}; `{self.prog} --help` lists its options", "error")
        sys.exit(USAGE)


def parser() -> argparse.ArgumentParser:
    """What reads them; a wrong one ends the process with status 2."""
    made = _Parser(prog="homa worker", description="Run one worker process.")
    made.add_argument("providers", nargs="*", metavar="PROVIDER", help="accounts to serve (default: all configured)")
    made.add_argument(
        "--if-configured",
        action="store_true",
        help="leave out providers that have no account or key here; with none left, wait for a signal",
    )
    made.add_argument("--concurrency", type=_count, help="most calls at once in this process, for each provider")
    made.add_argument("--actors", action="append", default=[], metavar="MODULE", help="module with Dramatiq actors")
    made.add_argument("--handlers", action="append", default=[], metavar="MODULE", help="module with event handlers")
    made.add_argument(
        "--middleware", action="append", default=[], metavar="MODULE", help="module with middleware of your own"
    )
    made.add_argument(
        "--threads", type=_count, default=DEFAULT_THREADS, help="sync Dramatiq actors at once (default: 8)"
    )
    made.add_argument(
        "--ticker",
        action="store_true",
        help="take no jobs: fire schedules, make their deliveries and do the fleet's housekeeping alone",
    )
    made.add_argument("--metrics-port", type=int, help="serve metrics and probes at this port; 0: any free one")
    made.add_argument("--for-batch", metavar="ID", help="end when this batch is complete")
    made.add_argument("--await-store", action="store_true", help="wait for an embedded store that is being started")
    made.add_argument("--until-stdin-closes", action="store_true", help="drain when whoever started this is gone")
    return made


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        # A worker of no slots would serve its queues and never take a job.
        raise argparse.ArgumentTypeError(f"{text} is too few: expected 1 or more")
    return count
