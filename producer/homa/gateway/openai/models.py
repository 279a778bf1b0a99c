"""`GET /v1/models` and `GET /v1/models/{id}`: the aliases and targets that a key may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.types import ASGIApp

from homa.gateway.answers import JsonAnswer
from homa.gateway.endpoint import Inquiry
from homa_shared.model.errors import UnknownModel
from homa_shared.settings.fleet import Fleet

#: OpenAI's field for when a model was made; nobody knows it of an alias.
_CREATED = 0


async def models(inquiry: Inquiry) -> ASGIApp:
    """All of them."""
    return JsonAnswer({"object": "list", "data": [_document(*row) for row in await _rows(inquiry)]})


async def model(inquiry: Inquiry) -> ASGIApp:
    """One."""
    wanted = inquiry.request.path_params["model"]
    found = next((row for row in await _rows(inquiry) if row[0] == wanted), None)
    if found is None:
        raise UnknownModel(f"model is {wanted!r:.80}: expected one of `GET /v1/models`")
    return JsonAnswer(_document(*found))


async def _rows(inquiry: Inquiry) -> list[tuple[str, str]]:
    fleet = (await inquiry.jobs.fleet()).fleet
    return [row for row in dict(named_models(fleet)).items() if inquiry.principal.may_use(row[0])]


def named_models(fleet: Fleet) -> Iterator[tuple[str, str]]:
    """Names that may be asked for, and whose they are: aliases, then targets that the fleet's settings name."""
    for alias in fleet.models:
        yield alias, "homa"
    for target in _targets(fleet):
        yield target, target.partition(":")[0]


def _targets(fleet: Fleet) -> Iterator[str]:
    for alias in fleet.models.values():
        for name in (alias.target, *alias.pool, *alias.fallbacks):
            if name and ":" in name:
                yield name
    for provider, settings in fleet.providers.items():
        for name in settings.models:
            if not any(letter in name for letter in "*?["):
                yield f"{provider}:{name}"


def _document(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": owner}
