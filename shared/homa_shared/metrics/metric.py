"""What a metric is, and the bound on the names that become labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Stands for all names beyond the first ones.
OTHER = "other"
#: Models of a provider that get series of their own.
MODELS_SHOWN = 5
#: Queues, providers and budgets likewise.
QUEUES_SHOWN, PROVIDERS_SHOWN, BUDGETS_SHOWN = 50, 50, 50
#: A longer name counts as another one: it was not written for people.
_LONGEST = 120


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    #: As Prometheus has it; of a counter with `_total`, of a histogram without `_bucket`.
    name: str
    type: Literal["gauge", "counter", "histogram"]
    #: A sentence with its unit.
    help: str
    labels: tuple[str, ...] = ()


class BoundedNames:
    """Gives the first names that it meets a label of their own, and all others `other`.

    Args:
        most: names with a label of their own.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._shown: set[str] = set()

    def label(self, name: str) -> str:
        """The label of a name; the same one for as long as this process lives."""
        if name in self._shown:
            return name
        if len(self._shown) >= self._most or len(name) > _LONGEST or not name.isprintable():
            return OTHER
        self._shown.add(name)
        return name


class ModelLabels:
    """Labels of models, bounded for each provider."""

    def __init__(self) -> None:
        self._providers = BoundedNames(PROVIDERS_SHOWN)
        self._models: dict[str, BoundedNames] = {}

    def provider(self, name: str) -> str:
        """The label of a provider."""
        return self._providers.label(name)

    def of(self, provider: str, model: str) -> tuple[str, str]:
        """The labels of a model and its provider; a model that is empty stands for the whole account."""
        shown = self.provider(provider)
        if not model:
            return shown, ""
        names = self._models.setdefault(shown, BoundedNames(MODELS_SHOWN))
        return shown, names.label(model)
