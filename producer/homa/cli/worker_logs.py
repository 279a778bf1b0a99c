"""What becomes of the logs of workers that a command ran for its own jobs."""

from __future__ import annotations

from homa.cli.context import say
from homa.client.session import Session
from homa.supervision.supervisor import WorkerSupervisor


def leave(workers: WorkerSupervisor, session: Session) -> None:
    """Removes the logs of work that went well; whoever debugs it is told where they are instead."""
    if not session.settings.debug:
        workers.forget_logs()
        return
    for log in workers.logs:
        if log.exists():
            say(f"log of its worker: {log}")
