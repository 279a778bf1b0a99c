"""`GET /v1/openapi.json`: what the gateway answers, as an OpenAPI 3.1 document, made from its routes.

Path, method, summary and body follow from the routes and the functions that answer them, so that no route is left out.
What a request may hold stands in `request_schemas.py`: the fields that the gateway itself goes by. All others are the
APIs' own, and pass through.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from homa.gateway.answers import JsonAnswer
from homa.gateway.dialect import ANTHROPIC
from homa.gateway.endpoint import Endpoint, Handler, Inquiry
from homa.gateway.job_headers import KEEP, NAMES
from homa.gateway.own.request_schemas import BODIES, QUERIES, SUBMITTING
from homa_shared.store.versions import release

PATH = "/v1/openapi.json"
#: Pages for people are no API.
_PAGES = "/dashboard"
_ERRORS = {"openai": "Error", "anthropic": "AnthropicError"}
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"x-api-key": []}, {}]


def openapi(routes: Iterable[BaseRoute]) -> Handler:
    """Answers with the document.

    Args:
        routes: of the gateway; read at the first request.
    """
    found: list[dict[str, Any]] = []

    async def answer(inquiry: Inquiry) -> ASGIApp:
        """This document."""
        if not found:
            found.append(document(routes))
        return JsonAnswer(found[0])

    return answer


def document(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The OpenAPI document of some routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if isinstance(route, Route) and not route.path.startswith(_PAGES):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                paths.setdefault(route.path_format, {})[method.lower()] = _operation(route, method)
    schemes = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Homa",
            "version": release(),
            "description": "OpenAI's and Anthropic's APIs, and Homa's own.",
        },
        "paths": paths,
        "components": {"schemas": _SCHEMAS, "securitySchemes": schemes},
        "security": _SECURITY,
    }


def _operation(route: Route, method: str) -> dict[str, Any]:
    endpoint, path = route.endpoint, route.path_format
    said = _words(endpoint)
    told: dict[str, Any] = {
        "operationId": f"{method.lower()}{''.join(letter if letter.isalnum() else '_' for letter in path)}",
        "summary": said.partition("\n")[0],
        "description": said,
        "responses": _responses(endpoint),
    }
    if parameters := [*_in_path(route), *_in_query(path, method), *_headers(path, method)]:
        told["parameters"] = parameters
    if isinstance(endpoint, Endpoint) and endpoint.takes_body:
        schema = BODIES.get(path, {"type": "object"})
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return told


def _words(endpoint: object) -> str:
    handler = endpoint.handler if isinstance(endpoint, Endpoint) else endpoint
    return inspect.getdoc(handler) or ""


def _responses(endpoint: object) -> dict[str, Any]:
    anthropic = isinstance(endpoint, Endpoint) and endpoint.dialect is ANTHROPIC
    error = {"$ref": f"#/components/schemas/{_ERRORS['anthropic' if anthropic else 'openai']}"}
    return {
        "2XX": {"description": "what was asked for; a stream of server-sent events where one was asked for"},
        "default": {"description": "an error", "content": {"application/json": {"schema": error}}},
    }


def _in_path(route: Route) -> Iterable[dict[str, Any]]:
    for name in route.param_convertors:
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _in_query(path: str, method: str) -> Iterable[dict[str, Any]]:
    for name, schema in QUERIES.get(path, {}).items() if method == "GET" else ():
        yield {"name": name, "in": "query", "schema": schema}


def _headers(path: str, method: str) -> Iterable[dict[str, Any]]:
    for name in (*NAMES, KEEP) if method == "POST" and path in SUBMITTING else ():
        yield {"name": name, "in": "header", "schema": {"type": "string"}}


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


_TEXT, _NO_TEXT = {"type": "string"}, {"type": ["string", "null"]}
_SCHEMAS: dict[str, Any] = {
    "Error": _object(error=_object(message=_TEXT, type=_TEXT, param=_NO_TEXT, code=_NO_TEXT)),
    "AnthropicError": _object(type={"const": "error"}, error=_object(type=_TEXT, message=_TEXT), request_id=_TEXT),
}
