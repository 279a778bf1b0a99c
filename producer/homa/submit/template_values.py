"""Requests that name a stored template: its text is read, and values are put into it, before anything is submitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa.drivers.effects import Flow, ask
from homa_shared.calls.prompt_templates import Template, TemplateRef
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.targets import nearest
from homa_shared.store.keys import Keys
from homa_shared.store.reads.prompts import prompt, prompt_names

#: What a template stands in the place of.
_INSTEAD = ("prompt", "messages", "system")


def check_alone(said: Mapping[str, Any]) -> None:
    """Raises InvalidRequest where a request names a template, and says beside it what the template says."""
    for name in _INSTEAD:
        if said.get(name) is not None:
            raise InvalidRequest(f"both template and {name}: expected one of them")
    TemplateRef.parse(said.get("template"))


def stored_template(keys: Keys, named: object) -> Flow[Template]:
    """A template by its name, or a version of it.

    Raises:
        InvalidRequest: there is none; the nearest known name is told.
    """
    ref = TemplateRef.parse(named)
    found = yield from ask(prompt(keys, ref))
    if found is not None:
        return found
    names = yield from ask(prompt_names(keys))
    if ref.name in names:
        raise InvalidRequest(
            f"template {ref.name!r} has no version {ref.version}: `homa templates show {ref.name}` lists those it has"
        )
    from homa_shared.settings.names import suggestion  # with pydantic, which clients do without

    raise InvalidRequest(
        f"there is no template {ref.name!r}{suggestion(nearest(ref.name, names))}: `homa templates list` names them, "
        "`homa templates create` and [templates.<name>] of homa.toml make them"
    )


def filled_request(
    keys: Keys, said: Mapping[str, Any], *, scheduled: bool = False
) -> Flow[tuple[dict[str, Any], Template]]:
    """Options of `submit` with a prompt in the place of template and values; and the version that it was made by.

    Args:
        scheduled: leave moments of a schedule's tick to the schedule.

    Raises:
        InvalidRequest: there is no such template, or a value is missing, wrong or unknown.
    """
    found = yield from stored_template(keys, said.get("template"))
    return with_prompt(said, found, scheduled=scheduled), found


def with_prompt(said: Mapping[str, Any], template: Template, *, scheduled: bool = False) -> dict[str, Any]:
    """Options of a request with a template's text in the place of its name and values.

    Raises:
        InvalidRequest: a value is missing, wrong or unknown; or the request has a text of its own.
    """
    if any(said.get(name) is not None for name in _INSTEAD):
        raise InvalidRequest(f"template {template.ref} makes the prompt: expected values={{…}} and no text of its own")
    texts = template.fill(said.get("values"), scheduled=scheduled)
    made = {name: value for name, value in said.items() if name not in ("template", "values")}
    return made | {"prompt": texts.prompt, "system": texts.system}
