"""What a run over files comes to: each input's result, and the sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, Generic, TypeVar

from homa.submit.response_format import parse
from homa_shared.calls.reply import message_text
from homa_shared.model.errors import HomaError, InvalidRequest, JobCancelled, JobExpired, JobFailed

T = TypeVar("T")

#: Error codes of inputs that never became jobs.
_UNSENT = frozenset({"invalid_input", "skipped"})
#: Fields of the sums that are as `homa run --json` prints them.
_SAME = (
    "batch", "total", "succeeded", "failed", "cancelled", "expired", "cut", "cut_empty", "unverified", "quotes", "rows",
    "skipped", "seconds",
)  # fmt: skip
_ENDED: Mapping[str, type[JobFailed | JobCancelled | JobExpired]] = {"cancelled": JobCancelled, "expired": JobExpired}


@dataclass(frozen=True)
class FileResult(Generic[T]):
    """What one input of `Homa.run_files` came to: a document, a row, a mail's attachment."""

    #: Its name, which does not depend on where the run was started: `contracts/a.pdf`, or the row's own id.
    custom_id: str
    #: The whole line, as a results file of JSON Lines has it.
    line: Mapping[str, Any] = field(repr=False)
    #: The row's columns, or what the document says of itself.
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    schema: Any = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether there is an answer."""
        return self.line["error"] is None

    @property
    def text(self) -> str:
        """The answer; empty where there is none."""
        return message_text(self.line["response"]["body"]) if self.ok else ""

    @cached_property
    def parsed(self) -> T:
        """The answer as an object of the schema that was asked for; None where none was.

        Raises:
            HomaError: there is no answer (`error`).
            InvalidReply: the answer does not fit.
        """
        if self.error is not None:
            raise self.error
        return None if self.schema is None else parse(self.text, self.schema)  # type: ignore[return-value]

    @property
    def error(self) -> HomaError | None:
        """Why there is no answer: InvalidRequest where the input could not be sent, else JobFailed, JobCancelled or
        JobExpired."""
        told = self.line["error"]
        if told is None:
            return None
        if told["code"] in _UNSENT:
            return InvalidRequest(told["message"])
        kind = _ENDED.get(told["code"], JobFailed)
        return kind(f"{self.custom_id}: {told['message']}", job_id=str(self.line["homa"].get("job") or ""))

    @property
    def error_code(self) -> str | None:
        """For programs: an ErrorKind, `cancelled`, `expired`, `invalid_input`, `skipped`; None: there is an answer."""
        return None if self.ok else str(self.line["error"]["code"])

    @property
    def citations(self) -> Sequence[Mapping[str, Any]]:
        """The quotes that the answer rests on, where they were asked for (`cite`), as the results file has them."""
        return tuple(self.line["homa"].get("citations") or ())

    @property
    def cost_usd(self) -> Decimal | None:
        """Known cost in dollars, exact; None where the price is not known."""
        cost = self.line["homa"].get("cost_usd")
        return None if cost is None else Decimal(cost)

    @property
    def model(self) -> str | None:
        """`provider:model` that answered, or was called last; None where none was."""
        homa = self.line["homa"]
        return f"{homa['provider']}:{homa['model']}" if homa.get("provider") else None

    @property
    def finish_reason(self) -> str | None:
        """stop, length (it was cut), tool_calls, content_filter; None where nobody says."""
        reason: str | None = self.line["homa"].get("finish_reason")
        return reason

    @property
    def notes(self) -> tuple[str, ...]:
        """What somebody who relies on the answer should know: a guessed encoding, pages without text."""
        return tuple(self.line["homa"].get("notes", ()))


@dataclass(frozen=True, slots=True)
class FilesProgress:
    """How far a run over files has come."""

    #: Inputs that have ended, those of earlier parts included, and those of them without an answer.
    ended: int
    failed: int
    #: Inputs; None while nobody knows. It is an estimate where `about` says so.
    total: int | None
    about: bool
    in_flight: int
    #: Known cost, and what attempts of unknown outcome may have cost beside it.
    cost_usd: Decimal
    unresolved_usd: Decimal


@dataclass(frozen=True, slots=True)
class FilesSummary:
    """Counts and costs of a run over files, its earlier parts included."""

    #: The batch that ran last; None where there was nothing to ask.
    batch: str | None
    #: Where the results are; empty where they were iterated over.
    output: str
    total: int
    succeeded: int
    failed: int
    cancelled: int
    expired: int
    #: Answers that were cut at their output cap.
    cut: int
    #: Why rows were asked (`new`, `changed`, …), and how many were not (`equal`, `vanished`).
    rows: Mapping[str, int]
    #: What was passed over, by kind; failed counts it, too.
    skipped: Mapping[str, int]
    cost_usd: Decimal
    #: What attempts of unknown outcome may have cost beside it.
    unresolved_usd: Decimal
    #: Attempts without a known price.
    unpriced_jobs: int
    seconds: float
    #: Name and reason of the first input that failed; empty where none has.
    first_failure: str = ""
    #: Of those that were cut: those that say nothing.
    cut_empty: int = 0
    #: Answers with quotes that their texts do not have, where quotes were asked for (`cite`).
    unverified: int = 0
    #: Quotes of the answers that this run got, by what became of them: `verified`, `unverified`, `unchecked` (those of
    #: images); and its answers without any, `uncited`.
    quotes: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Mapping[str, Any], output: str, first_failure: str) -> FilesSummary:
        """From what `homa run --json` prints."""
        return cls(
            **{name: document[name] for name in _SAME},
            cost_usd=Decimal(document["cost_usd"]),
            unresolved_usd=Decimal(document["unresolved_usd"]),
            unpriced_jobs=document["unpriced_jobs"],
            output=output,
            first_failure=first_failure,
        )


class RunStopped(HomaError):
    """A run over files could not go on to its end; `summary` counts what it did, and `resume=True` goes on."""

    def __init__(self, message: str, summary: FilesSummary) -> None:
        super().__init__(message)
        self.summary = summary

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.args, self.summary)
