"""The OpenAPI document names every route, and no request that it describes, or nearly, is answered with a 500."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.routing import Route

from homa.drivers.context import client_context
from homa.gateway.app import create_app
from homa.gateway.own.openapi import document
from homa.gateway.own.request_schemas import BODIES, QUERIES, SUBMITTING
from tests.gateway.conftest import Cell
from tests.patience import PATIENCE_S

#: Requests to each operation, of each mode: the same ones at every run.
EXAMPLES = 4


def routes() -> list[Route]:
    """Those of the APIs; pages for people are none."""
    app = create_app(client_context(redis_url="redis://127.0.0.1:1", namespace="openapi"))
    return [route for route in app.routes if isinstance(route, Route) and not route.path.startswith("/dashboard")]


def labels() -> list[str]:
    """Method and path of each operation."""
    told = [f"{method} {route.path_format}" for route in routes() for method in sorted(route.methods or ())]
    return [label for label in told if not label.startswith("HEAD ")]


@pytest.fixture(scope="module")
def operations() -> dict[str, Any]:
    """What makes requests of each operation, by its label."""
    # Here and not above: it takes a second, and each process of a run reads every file of tests.
    import schemathesis

    schema = schemathesis.openapi.from_dict(document(routes()))
    return {operation.label: operation for operation in (found.ok() for found in schema.get_all_operations())}


def test_every_route_stands_in_the_document_with_words_of_its_own(cell: Cell) -> None:
    found = httpx2.get(f"{cell.url}/v1/openapi.json", timeout=PATIENCE_S).json()
    expected = {(route.path_format, method.lower()) for route in routes() for method in (route.methods or ())}
    told = {(path, method) for path, item in found["paths"].items() for method in item}
    assert told == {(path, method) for path, method in expected if method != "head"}
    for path, item in found["paths"].items():
        for operation in item.values():
            assert operation["summary"], path
    assert {*BODIES, *QUERIES, *SUBMITTING} <= found["paths"].keys()


@pytest.mark.parametrize("label", labels())
def test_no_request_is_answered_with_a_500(cell: Cell, operations: dict[str, Any], label: str) -> None:
    from schemathesis.generation import GenerationMode

    operation = operations[label]
    modes = [operation.as_strategy(generation_mode=mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]

    @settings(
        max_examples=2 * EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(modes))
    def ask(case: Any) -> None:
        check(cell, case)

    ask()


def check(cell: Cell, case: Any) -> None:
    """The answer is none of 500, and an error has its API's shape."""
    sent = case.as_transport_kwargs(base_url=cell.url)
    body = sent["json"] if sent.get("json") is not None else None
    with httpx2.stream(
        sent["method"],
        sent["url"],
        params=sent.get("params"),
        headers={name: str(value) for name, value in (sent.get("headers") or {}).items() if _is_plain(name, value)},
        content=sent.get("data") if body is None else json.dumps(body),
        timeout=PATIENCE_S,
    ) as answer:
        assert answer.status_code != 500, (sent, answer.read())
        if answer.status_code >= 400:
            told = json.loads(answer.read())
            assert told["error"]["message"], (sent, told)


def _is_plain(name: str, value: object) -> bool:
    """Whether a client can send a header as it is; the gateway's protocol refuses the others by itself."""
    return str(value).isascii() and str(value).isprintable() and name.isascii()
