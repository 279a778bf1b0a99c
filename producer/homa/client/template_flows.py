"""Stored templates are put, listed and deleted: for the sync and the async client and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from homa.drivers.effects import Flow, ask
from homa.submit.template_values import stored_template
from homa_shared.calls.prompt_templates import Template, TemplateRef
from homa_shared.model.errors import InvalidRequest
from homa_shared.store.keys import Keys
from homa_shared.store.reads.prompts import prompt, prompt_names, prompt_versions
from homa_shared.store.transitions.prompts import delete_prompt, put_prompt


def put_template(
    keys: Keys, name: object, text: object, system: object = None, variables: object = None
) -> Flow[Template]:
    """Stores a template, as the next version unless the current one says the same.

    Raises:
        InvalidRequest: something of it is wrong; nothing was stored.
        StoreFull: there is no room.
    """
    template = Template.checked(name, text, system, variables)
    put = yield from ask(put_prompt(keys, template))
    found = yield from ask(prompt(keys, TemplateRef(template.name, put.version)))
    return found or replace(template, version=put.version)


def put_all(keys: Keys, templates: Mapping[str, Template]) -> Flow[list[Template]]:
    """Stores some templates; returns those that made a new version."""
    new: list[Template] = []
    for template in templates.values():
        put = yield from ask(put_prompt(keys, template))
        if put.is_new:
            new.append(replace(template, version=put.version))
    return new


def changed(keys: Keys, templates: Mapping[str, Template]) -> Flow[list[Template]]:
    """Those of some templates that would make a new version."""
    found: list[Template] = []
    for name, template in templates.items():
        stands = yield from ask(prompt(keys, TemplateRef(name)))
        if stands is None or stands.digest != template.digest:
            found.append(template)
    return found


def current_templates(keys: Keys) -> Flow[list[Template]]:
    """The current version of every template, by name."""
    found: list[Template] = []
    for name in (yield from ask(prompt_names(keys))):
        stands = yield from ask(prompt(keys, TemplateRef(name)))
        if stands is not None:
            found.append(stands)
    return found


def versions_of(keys: Keys, named: str) -> Flow[list[Template]]:
    """All versions of a template, the newest first; one where one is named.

    Raises:
        InvalidRequest: there is none.
    """
    found = yield from stored_template(keys, named)
    if TemplateRef.parse(named).version is not None:
        return [found]
    return list(reversed((yield from ask(prompt_versions(keys, found.name)))))


def delete_template(keys: Keys, named: str) -> Flow[int]:
    """Deletes a version or all of a template; returns how many.

    Raises:
        InvalidRequest: there is none.
    """
    ref = TemplateRef.parse(named)
    deleted = yield from ask(delete_prompt(keys, ref.name, ref.version))
    if not deleted:
        yield from stored_template(keys, named)
        raise InvalidRequest(f"template {named} was deleted by somebody else meanwhile")
    return deleted
