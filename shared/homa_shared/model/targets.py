"""Where a call may go: a model at a configured provider."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from homa_shared.model.errors import UnknownModel
from homa_shared.model.example_models import OPENAI


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """A model at a configured provider, written `provider:model`."""

    #: Name of the configured provider, lower case.
    provider: str
    #: The provider's own name of the model (Azure: of the deployment); may itself hold colons.
    model: str

    def __str__(self) -> str:
        return f"{self.provider}:{self.model}"

    @classmethod
    def parse(cls, text: str) -> Target:
        """Split `provider:model` at the first colon.

        Raises:
            UnknownModel: there is no colon, or nothing on one side of it.
        """
        provider, colon, model = text.strip().partition(":")
        if not (colon and provider.strip() and model.strip()):
            raise UnknownModel(f"{text!r} is no target: expected provider:model, such as {OPENAI.target}")
        return cls(provider.strip().lower(), model.strip())


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one probably meant."""
    return next(iter(get_close_matches(name, list(known), n=1)), None)
