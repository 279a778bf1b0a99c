"""How many tokens the prompt of a row may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from homa.files.units.measure import MARGIN, Measure
from homa.submit.fleet_view import FleetView
from homa.submit.template import Template
from homa_shared.calls.tokens import TOKENS_PER_IMAGE, count, encoding_of
from homa_shared.capabilities.offers import SURELY
from homa_shared.model.targets import Target

#: Around the messages of a call: roles, the chat template, tools that the provider adds; tokens.
_FRAME = 50


def counted_as(view: FleetView, target: Target) -> str:
    """The name by which a target's tokens are counted: deployments may have any."""
    names = view.prices.model_names(target)
    return next((name for name in names if encoding_of(name) is not None), target.model)


@dataclass(frozen=True)
class Room:
    """What fits a call of the first target of a run.

    Args:
        target: the first one, `provider:model`.
        window: tokens of its prompt and reply together; None: nobody knows.
        widest: the greatest window of the chain; None: of one of its targets nobody knows.
        cap: most output tokens.
        model: the name by which tokens are counted.
        beside: what stands beside the prompt in each call.
        given: whether somebody has said the window.
    """

    target: str
    window: int | None
    widest: int | None
    cap: int
    model: str
    beside: str = ""
    given: bool = False

    @classmethod
    def of(cls, view: FleetView, template: Template, said: Mapping[str, Any], window: int | None) -> Room:
        """The room of a run.

        Args:
            said: options of its jobs: system text and schema stand in each call.
            window: as somebody has said it, for all targets.
        """
        first = template.chain[0]
        windows = [window or view.capabilities.context_window(target) for target in template.chain]
        known = [each for each in windows if each is not None]
        schema = orjson.dumps(said.get("schema"), default=str).decode() if said.get("schema") else ""
        return cls(
            str(first),
            windows[0],
            max(known) if len(known) == len(windows) else None,
            template.caps[0],
            counted_as(view, first),
            f"{said.get('system') or ''}{schema}",
            window is not None,
        )

    @cached_property
    def measure(self) -> Measure:
        return Measure(self.model)

    @cached_property
    def safe_characters(self) -> int:
        """A prompt of so many characters fits surely: one has four bytes at most, and a token one at least."""
        least = min((each for each in (self.window, self.widest) if each is not None), default=None)
        return 1 << 62 if least is None else int(max(0, least - self.cap - self.beside_tokens) / (4 * MARGIN))

    @cached_property
    def beside_tokens(self) -> int:
        return self.measure(self.beside) + _FRAME

    def tokens(self, prompt: str, images: int = 0) -> int:
        """Of a whole call's input, rather too many than too few."""
        return self.measure(prompt) + self.beside_tokens + images * TOKENS_PER_IMAGE

    def told(self, prompt: str, images: int = 0) -> str:
        """The same for people, without a margin."""
        found = self._counted(prompt, images)
        return f"{found:,} tokens" if self.measure.exact and not images else f"about {found:,} tokens"

    def exceeds_surely(self, prompt: str, images: int = 0) -> bool:
        """Whether every target of the chain would refuse it; what images take differs too much to count here."""
        if self.widest is None:
            return False
        share = 1.0 if self.measure.exact or self.given else SURELY
        return self._counted(prompt, images if self.given else 0) * share > self.widest

    def exceeds(self, prompt: str, images: int = 0) -> bool:
        """Whether it might leave too little room for the answer, at every target whose window is known."""
        limit = max((each for each in (self.window, self.widest) if each is not None), default=None)
        return limit is not None and self.tokens(prompt, images) + self.cap > limit

    def left(self, prompt: str, images: int = 0) -> int:
        """Tokens that a call of the first target has left beside a prompt and its answer; none at least."""
        assert self.window is not None
        return max(0, self.window - self.cap - self.tokens(prompt, images))

    def _counted(self, prompt: str, images: int) -> int:
        return count(prompt, self.model).tokens + self.beside_tokens + images * TOKENS_PER_IMAGE
