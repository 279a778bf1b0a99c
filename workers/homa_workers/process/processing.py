"""Dramatiq's `WorkerThread.process_message`, in steps: its hooks in its order, whatever calls the actor."""

from __future__ import annotations

from typing import Any

import dramatiq
import structlog
from dramatiq.broker import MessageProxy
from dramatiq.errors import ActorNotFound, RateLimitExceeded, Retry
from dramatiq.middleware import SkipMessage
from dramatiq.results import Results

from homa_shared.broker import HomaBroker, MessageRun

log = structlog.get_logger("homa.actor")


class Processing:
    """The hooks of one message.

    Args:
        broker: its middleware has the hooks.
        message: fails or not.
        run: keeps back what is enqueued on the way.
    """

    def __init__(self, broker: HomaBroker, message: MessageProxy, run: MessageRun) -> None:
        self.broker = broker
        self.message = message
        self.run = run

    def begin(self) -> bool:
        """The hooks before the run; true when the actor is to be called."""
        try:
            self.broker.emit_before("process_message", self.message)
        except BaseException as error:
            self.failed(error)
            return False
        if self.message.failed:
            self.succeeded(None)
            return False
        return True

    def succeeded(self, result: Any) -> None:
        """The hooks after a good run, and those around its ack."""
        self.run.is_ending = True
        if result is not None and self.message.options.get("pipe_target") is None and not self._keeps_results():
            log.warning(
                "actor.result_discarded",
                actor=self.message.actor_name,
                message=self.message.message_id,
                reason="it returned a value, and the broker has no Results middleware; add one, or return nothing",
            )
        self.broker.emit_after("process_message", self.message, result=result)
        self._acknowledge()

    def failed(self, error: BaseException) -> None:
        """The hooks after a run that raised. The error has to be being handled: Retries notes its traceback."""
        self.run.is_ending = True
        if isinstance(error, SkipMessage):
            if self.message.failed:
                self.message.stuff_exception(error)
            self.broker.emit_after("skip_message", self.message)
        else:
            self.message.stuff_exception(error)
            self._tell(error)
            self.broker.emit_after("process_message", self.message, exception=error)
        self._acknowledge()

    def raised(self, error: BaseException) -> None:
        """As `failed`, for an error that came from another thread."""
        try:
            raise error
        except BaseException:
            self.failed(error)
        finally:
            # The traceback that was just written has this frame: error, traceback and frame would keep each other, and
            # all that the actor had in its hands, until the collector comes by.
            del error

    def refuse(self) -> None:
        """A message for an actor that nobody has declared: dead, as in Dramatiq."""
        log.error("actor.unknown", actor=self.message.actor_name, message=self.message.message_id)
        self.message.fail()
        self.message.stuff_exception(ActorNotFound(self.message.actor_name))
        self._acknowledge()

    def _acknowledge(self) -> None:
        signal = "nack" if self.message.failed else "ack"
        self.broker.emit_before(signal, self.message)
        self.broker.emit_after(signal, self.message)

    def _keeps_results(self) -> bool:
        return any(isinstance(installed, Results) for installed in self.broker.middleware)

    def _tell(self, error: BaseException) -> None:
        actor: dramatiq.Actor[Any, Any] | None = self.broker.actors.get(self.message.actor_name)
        throws = self.message.options.get("throws") or (actor and actor.options.get("throws"))
        facts = {"actor": self.message.actor_name, "message": self.message.message_id, "job": self.run.record}
        if isinstance(error, RateLimitExceeded | Retry) or (throws and isinstance(error, throws)):
            log.info("actor.failed", **facts, error=repr(error))
        else:
            log.error("actor.failed", **facts, exc_info=error)
