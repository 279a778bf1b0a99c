"""A line of a batch, in any of its forms, as options of `submit`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa.submit.attachments import refuse_own_files
from homa.submit.job_options import known_names
from homa.submit.options import refuse_unknown, spread
from homa_shared.model.errors import InvalidRequest

_OPENAI_URL = "/v1/chat/completions"

#: A line of a batch: a prompt, options of `submit` (`BatchLine`), or a line of OpenAI's batch files.
BatchRequest = str | Mapping[str, Any]


def line_options(request: BatchRequest) -> Mapping[str, Any]:
    """A line of a batch as options of `submit`.

    Raises:
        InvalidRequest: it is nothing that a line may be.
    """
    if isinstance(request, str):
        return {"prompt": request}
    if not isinstance(request, Mapping):
        raise InvalidRequest(f"{request!r:.80} is no request: expected a prompt, or a mapping of options of submit")
    if "body" in request:
        return spread(_from_openai(request))
    refuse_unknown(request.keys())
    return spread(request)


def _from_openai(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """A line of OpenAI's batch files as options of `submit`."""
    url, body = line.get("url", _OPENAI_URL), line["body"]
    if url != _OPENAI_URL:
        raise InvalidRequest(f"url is {url!r:.80}: expected {_OPENAI_URL}")
    if not isinstance(body, Mapping):
        raise InvalidRequest(f"body is {body!r:.80}: expected an object with messages")
    refuse_own_files(body, "a line of a batch file")
    if body.get("template") is not None:
        raise InvalidRequest("template has no place in a line of OpenAI's batch files: expected options of submit")
    return {"custom_id": line.get("custom_id"), **body_options(body)}


def body_options(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an OpenAI batch line as options: what only its server knows is the provider's, its metadata too."""
    known = known_names() - {"metadata", "provider_options"}
    options = {name: value for name, value in body.items() if name in known}
    more = {name: value for name, value in body.items() if name not in known}
    return {**options, "provider_options": more} if more else options
