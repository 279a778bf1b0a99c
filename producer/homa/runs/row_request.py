"""A row as a request of a batch: its prompt rendered, or the OpenAI batch line that it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homa.client.result_documents import DOCUMENT_NOTES, UNIT
from homa.files import BadRow, MissingField, PromptTemplate, Row
from homa.runs.long.fitting import Fitting
from homa.runs.long.ways import DIVIDED
from homa.runs.stored_values import rendered, values_of
from homa.submit.attachments import refuse_own_files
from homa.submit.batch_line_options import body_options
from homa_shared.calls.media import data_url, medium
from homa_shared.calls.prompt_templates import Template
from homa_shared.model.errors import InvalidRequest
from homa_shared.settings.fleet import Fleet

#: Characters of notes that a job carries.
_MOST_NOTED = 1500
#: Parameters of a batch file's line that have no place in a batch of ours.
_DROPPED = ("stream", "stream_options")


@dataclass(frozen=True, slots=True)
class RequestBuilder:
    """How rows of a run become requests.

    Args:
        model: that all rows are sent to; None: each line of a batch file goes to its own.
        own_cap: the run has an output cap for lines that say none.
        stored: the stored template that rows give values to.
        cite: answers are to carry quotes.
    """

    template: PromptTemplate
    model: str | None
    fleet: Fleet
    own_cap: bool = False
    stored: Template | None = None
    #: Holds rows against the window of the model; None where each goes to one of its own.
    fitting: Fitting | None = None
    cite: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What the prompt uses of a row."""
        return self.template.names if self.stored is None else tuple(self.stored.names)

    def as_sent(self, row: Row) -> Row:
        """A row as the window of the model admits it. Raises InvalidRequest where it does not."""
        return self._fitted(row)[0]

    def request(self, row: Row) -> Mapping[str, Any] | BadRow:
        """The request of a row, under its custom_id; or the row as a bad one, with the reason."""
        try:
            if row.request is not None:
                return self._from_line(row, row.request)
            if self.model is None:
                raise InvalidRequest("names no model: expected --model, or a line of an OpenAI batch file")
            if (asked := self._divided(row)) is not None:
                prompt = rendered(self.stored, self.template, row)
                return {"prompt": prompt, "custom_id": row.custom_id, DIVIDED: asked}
            if self.stored is not None:
                return self._by_template(self.stored, self._fitted(row)[0])
            row, prompt = self._fitted(row)
            if not row.images and not row.notes and row.unit is None:
                return {"prompt": prompt, "custom_id": row.custom_id}
            return _document_request(row, prompt)
        except (InvalidRequest, MissingField) as error:
            return row.rejected(str(error))

    def _divided(self, row: Row) -> Sequence[object] | None:
        """How a row is asked about in parts; None where it is not."""
        if self.fitting is None or self.fitting.division is None:
            return None
        return self.fitting.divides(row) if self.fitting.is_long(row, self.template.render(row)) else None

    def _fitted(self, row: Row) -> tuple[Row, str]:
        """A row as the window of the model admits it, and its prompt."""
        prompt = self.template.render(row)
        if self.fitting is None or self.fitting.division is not None or not self.fitting.is_long(row, prompt):
            return row, prompt
        fitted = self.fitting.fitted(row, prompt)
        return fitted, self.template.render(fitted)

    def _by_template(self, stored: Template, row: Row) -> Mapping[str, Any]:
        """A row as values of a stored template, with its images."""
        made = {name: value for name, value in _document_request(row, "-").items() if name != "prompt"}
        return {**made, "values": values_of(stored, self.template, row)}

    def _from_line(self, row: Row, body: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.cite:
            raise InvalidRequest("is a line of a batch file, which is sent as it stands: expected no --cite for it")
        refuse_own_files(body, "a line of a batch file")
        request = {name: value for name, value in body_options(body).items() if name not in _DROPPED}
        if self.own_cap and "max_completion_tokens" in request:
            # The same cap under the name that the run's own would be sent under: a provider refuses both.
            request["max_tokens"] = request.pop("max_completion_tokens")
        # A line's messages stand as they are; None keeps the run's --system out of them.
        return {**request, "system": None, "model": self.model_of(body), "custom_id": row.custom_id}

    def model_of(self, body: Mapping[str, Any]) -> str:
        """The model that a batch file's line goes to: the run's, else its own, which is OpenAI's unless it says so."""
        if self.model is not None:
            return self.model
        named = body.get("model")
        if not isinstance(named, str) or not named:
            raise InvalidRequest(f"its model is {named!r:.80}: expected a name, or --model for all lines")
        return named if ":" in named or self.fleet.alias(named) is not None else f"openai:{named}"


def _document_request(row: Row, prompt: str) -> Mapping[str, Any]:
    """A document that is shown in part, or that there is something to know of."""
    request: dict[str, Any] = {"custom_id": row.custom_id}
    metadata: dict[str, Any] = {} if row.unit is None else {UNIT: row.unit}
    if row.notes:
        metadata[DOCUMENT_NOTES] = [note[: _MOST_NOTED // len(row.notes)] for note in row.notes]
    if metadata:
        request["metadata"] = metadata
    if row.images and not prompt.strip():  # the images alone: an empty text is no part that providers take
        shown = [{"type": "image_url", "image_url": {"url": url_of(image)}} for image in row.images]
        return {**request, "messages": [{"role": "user", "content": shown}]}
    if row.images:
        request["images"] = list(row.images)
    return {**request, "prompt": prompt}


def url_of(image: bytes) -> str:
    """An image as a data: URL."""
    found = medium(image, "image")
    return data_url(found.data, found.type)
