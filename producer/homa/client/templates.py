"""What `Homa` and `AsyncHoma` do with stored templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

# What reads and stores them is imported at the first use: clients without any start sooner.
if TYPE_CHECKING:
    from homa.drivers.aio import AwaitingDriver
    from homa.drivers.blocking import BlockingDriver
    from homa.drivers.effects import Flow
    from homa.submit.submitter import Submitter
    from homa_shared.calls.prompt_templates import Template, VariableType


class Templating:
    """Stored templates, for threads."""

    _driver: BlockingDriver
    _submitter: Submitter

    def template(
        self,
        name: str,
        prompt: str | None = None,
        *,
        system: str | None = None,
        variables: Mapping[str, VariableType] | None = None,
    ) -> Template:
        """Store a prompt template, or with its name alone get one that was stored.

        A version never changes: another text makes the next one, the same text none.

        Args:
            name: 1 to 64 letters, digits, `-` and `_`; without a prompt also `name@version`.
            prompt: the user's text, in which `{{variable}}` is replaced.
            system: instructions put in front, likewise.
            variables: types of variables: `text` (what holds where nothing is said), `integer`, `number`, `boolean`,
                `json`, or a list of the texts that one may be.

        Raises:
            InvalidRequest: something of it is wrong, or there is none of that name.
            StoreUnavailable, StoreFull: nothing was stored, as far as the store told.
        """
        return self._driver.run(_found_or_put(self._submitter, name, prompt, system, variables))

    def templates(self) -> list[Template]:
        """The current version of every stored template, by name."""
        from homa.client.template_flows import current_templates

        return self._driver.run(current_templates(self._submitter.keys))

    def delete_template(self, name: str) -> int:
        """Delete a version (`name@version`) or all of a template; returns how many. Jobs by it are as they were."""
        from homa.client.template_flows import delete_template

        return self._driver.run(delete_template(self._submitter.keys, name))


class AsyncTemplating:
    """Stored templates, for event loops."""

    _driver: AwaitingDriver
    _submitter: Submitter

    async def template(
        self,
        name: str,
        prompt: str | None = None,
        *,
        system: str | None = None,
        variables: Mapping[str, VariableType] | None = None,
    ) -> Template:
        """Store a prompt template, or with its name alone get one that was stored; as `Homa.template`."""
        return await self._driver.run(_found_or_put(self._submitter, name, prompt, system, variables))

    async def templates(self) -> list[Template]:
        """The current version of every stored template, by name."""
        from homa.client.template_flows import current_templates

        return await self._driver.run(current_templates(self._submitter.keys))

    async def delete_template(self, name: str) -> int:
        """Delete a version or all of a template; as `Homa.delete_template`."""
        from homa.client.template_flows import delete_template

        return await self._driver.run(delete_template(self._submitter.keys, name))


def _found_or_put(
    submitter: Submitter,
    name: str,
    prompt: str | None,
    system: str | None,
    variables: Mapping[str, VariableType] | None,
) -> Flow[Template]:
    from homa.client.template_flows import put_template
    from homa.submit.template_values import stored_template
    from homa_shared.model.errors import InvalidRequest

    if prompt is not None:
        return put_template(submitter.keys, name, prompt, system, variables)
    if system is not None or variables is not None:
        raise InvalidRequest(f"template {name!r:.80} has no prompt: expected one, or the name alone")
    return stored_template(submitter.keys, name)
