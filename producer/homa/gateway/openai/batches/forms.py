"""The endpoints that a batch may be of: what their lines ask for, and what they answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from homa.client.embeddings import options_of_embeddings
from homa.client.results import Reply
from homa.files.result_line import answer_body
from homa.gateway.access.principal import Principal
from homa.gateway.asked_jobs import bulk_options, refuse_stream
from homa.gateway.batches.line_format import LineRequest
from homa.gateway.dialect import OPENAI
from homa.gateway.errors import ApiError
from homa.gateway.openai.batches.lines import OpenAILines
from homa.gateway.openai.responses.document import KEPT, ResponseDocument, asked_again, asked_of, kept_of
from homa.gateway.openai.responses.input_items import input_messages
from homa.gateway.openai.responses.params import chat_params
from homa.gateway.openai.vectors import as_floats, encoding_of, require_all, texts_of
from homa.gateway.request_checks import flag
from homa_shared.calls.request import EMBEDDING
from homa_shared.model.errors import InvalidRequest

#: What no provider is told.
_OF_CHAT = frozenset({"messages", "stream", "stream_options"})
_OF_COMPLETIONS = frozenset({"prompt", "stream", "stream_options"})
#: Of completions: what chat has no word for, with the value that asks for nothing.
_NOT_OF_CHAT: dict[str, Any] = {"suffix": None, "echo": False, "best_of": 1, "logprobs": None}


class ChatLines(OpenAILines):
    """`/v1/chat/completions`."""

    endpoint = "/v1/chat/completions"

    def ask(self, principal: Principal, headers: Mapping[str, str], body: Mapping[str, Any]) -> LineRequest:
        refuse_stream(body)
        messages = body.get("messages")
        if messages is None:
            raise InvalidRequest("messages is missing: expected a list of at least one message")
        params = {name: value for name, value in body.items() if name not in _OF_CHAT}
        return LineRequest(bulk_options(principal, headers, params), messages)

    def body_of(self, reply: Reply[Any]) -> Mapping[str, Any]:
        return answer_body(reply.body)


class ResponseLines(OpenAILines):
    """`/v1/responses`; a response can be retrieved by its id for as long as its job is in the store."""

    endpoint = "/v1/responses"

    def ask(self, principal: Principal, headers: Mapping[str, str], body: Mapping[str, Any]) -> LineRequest:
        refuse_stream(body)
        if flag(body, "background"):
            raise InvalidRequest("background is True: expected false, or nothing, in a batch")
        messages = input_messages(body.get("instructions"), body.get("input"))
        options = {**bulk_options(principal, headers, chat_params(body)), "api": "responses"}
        return LineRequest(options, messages, metadata={KEPT: kept_of(asked_of(body))})

    def body_of(self, reply: Reply[Any]) -> Mapping[str, Any]:
        kept = reply.metadata.get(KEPT)
        document = ResponseDocument(reply.job_id, asked_again(kept if isinstance(kept, dict) else {}), time.time())
        return document.ended(answer_body(reply.body)).as_json()


class EmbeddingLines(OpenAILines):
    """`/v1/embeddings`."""

    endpoint = "/v1/embeddings"
    kind = EMBEDDING
    #: A line may have thousands of vectors.
    page_lines = 10
    #: Field of a job's metadata: vectors were asked for as base64.
    _CODED = "base64"

    def ask(self, principal: Principal, headers: Mapping[str, str], body: Mapping[str, Any]) -> LineRequest:
        texts, coded = texts_of(body.get("input")), encoding_of(body) == "base64"
        params = {name: value for name, value in body.items() if name not in ("input", "encoding_format")}
        options = options_of_embeddings(bulk_options(principal, headers, params))
        return LineRequest(options, texts=texts, metadata={self._CODED: True} if coded else None)

    def answered(self, custom_id: str, reply: Reply[Any]) -> Mapping[str, Any]:
        line = super().answered(custom_id, reply)
        try:
            require_all(answer_body(reply.body), reply.job_id)
        except ApiError as error:
            line["response"].update(status_code=error.status, body=OPENAI.error(error, ""))
        return line

    def body_of(self, reply: Reply[Any]) -> Mapping[str, Any]:
        found = answer_body(reply.body)
        return found if reply.metadata.get(self._CODED) else as_floats(found)


class CompletionLines(OpenAILines):
    """`/v1/completions`: a prompt is a user's message, so that any model of chat answers."""

    endpoint = "/v1/completions"

    def ask(self, principal: Principal, headers: Mapping[str, str], body: Mapping[str, Any]) -> LineRequest:
        refuse_stream(body)
        for name, nothing in _NOT_OF_CHAT.items():
            if body.get(name, nothing) not in (nothing, None):
                raise InvalidRequest(f"{name} is {body[name]!r:.80}: models of chat cannot do this; leave it out")
        prompt = body.get("prompt")
        prompt = prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt
        if not isinstance(prompt, str) or not prompt:
            raise InvalidRequest(f"prompt is {prompt!r:.80}: expected one text; tokens are not taken")
        left_out = _OF_COMPLETIONS | _NOT_OF_CHAT.keys()
        params = {name: value for name, value in body.items() if name not in left_out}
        return LineRequest(bulk_options(principal, headers, params), [{"role": "user", "content": prompt}])

    def body_of(self, reply: Reply[Any]) -> Mapping[str, Any]:
        found = answer_body(reply.body)
        choices = [
            {
                "text": (choice.get("message") or {}).get("content") or "",
                "index": choice.get("index", 0),
                "logprobs": None,
                "finish_reason": choice.get("finish_reason"),
            }
            for choice in found.get("choices") or ()
        ]
        return {**found, "object": "text_completion", "choices": choices}


FORMS: dict[str, OpenAILines] = {
    form.endpoint: form for form in (ChatLines(), ResponseLines(), EmbeddingLines(), CompletionLines())
}
