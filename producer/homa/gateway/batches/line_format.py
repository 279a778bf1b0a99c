"""What an endpoint's lines look like: how they are read, which jobs they ask for, and how their answers are written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from homa.client.results import Failure, Reply
from homa.gateway.access.principal import Principal
from homa.gateway.errors import ApiError, of_failure
from homa_shared.calls.request import CHAT


class Unsent(StrEnum):
    """Why a line never became a job."""

    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class BadLine(Exception):
    """A line that makes its file none of requests."""

    code: str
    message: str
    param: str | None = None

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class RequestLine:
    """A line of a file of requests."""

    custom_id: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LineRequest:
    """The job that a line asks for."""

    #: Options of a job, but for its messages.
    options: Mapping[str, Any]
    #: In OpenAI's shape; empty where texts are embedded.
    messages: Sequence[Mapping[str, Any]] = ()
    #: Texts to embed.
    texts: Sequence[str] | None = None
    #: What the job carries, so that its answer can be told.
    metadata: Mapping[str, Any] | None = None


class LineFormat(ABC):
    """The lines of one endpoint."""

    #: Of its requests.
    kind = CHAT
    #: Lines whose answers are held at once.
    page_lines = 250
    #: Whether errors stand in a file of their own.
    has_error_file = True

    @abstractmethod
    def read(self, line: Mapping[str, Any]) -> RequestLine:
        """A line's request; raises BadLine."""

    @abstractmethod
    def ask(self, principal: Principal, headers: Mapping[str, str], body: Mapping[str, Any]) -> LineRequest:
        """The job that a body asks for.

        Args:
            principal: on whose behalf.
            headers: of the request that made the batch.

        Raises:
            InvalidRequest, ApiError: it cannot be sent; the line fails.
        """

    @abstractmethod
    def answered(self, custom_id: str, reply: Reply[Any]) -> Mapping[str, Any]:
        """The line of a reply."""

    @abstractmethod
    def failed(self, custom_id: str, failure: Failure) -> Mapping[str, Any]:
        """The line of a job that ended otherwise."""

    @abstractmethod
    def unsent(self, custom_id: str, why: Unsent) -> Mapping[str, Any]:
        """The line of one that never became a job."""


def told(failure: Failure) -> ApiError:
    """What went wrong with a line."""
    if not failure.attempts and failure.status and not failure.provider:
        # It was refused before it was a job (LostLine).
        return ApiError(failure.status, failure.message, failure.kind)
    return of_failure(failure)
