"""`homa models`: which models each provider has, as aliases, settings and price lists name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from homa.cli.context import session, settings_context
from homa.cli.documents.fleet import ModelDocument, ModelsDocument
from homa.cli.output import dollars, json_option, number, print_json, print_table, usd_or_null
from homa_shared.kinds.retirement import today

if TYPE_CHECKING:
    from homa_shared.capabilities.catalogue import CataloguedModel
    from homa_shared.settings.fleet import Fleet


@click.command("models")
@click.option("--provider", metavar="NAME", help="Only models of this provider.")
@json_option(ModelsDocument)
def command(provider: str | None, as_json: bool) -> None:
    """List models with context windows, prices and features.

    That is: the targets of aliases, models with a price in the settings, and those in the price list of each configured
    provider. Others can be called too; no provider is asked which models it has. Prices are dollars per million tokens
    at the lowest tier, from the settings, from genai-prices, or, for models that it lacks, from the page that is named
    with the day on which it was read; ENDS tells what a provider has announced of a model's end; features are what
    the provider's API has, less what the model is known to lack. Where these settings have no provider, the fleet's are
    read from the store.
    """
    from homa_shared.capabilities.catalogue import Catalogue

    fleet = _fleet()
    catalogue = Catalogue(fleet)
    models = [model for name in _providers(fleet, provider) for model in catalogue.models(name)]
    if as_json:
        print_json(ModelsDocument(models=[_document(model) for model in models]))
        return
    print_table(
        ("TARGET", "ALIAS", "CONTEXT", "INPUT", "OUTPUT", "PRICE FROM", "ENDS", "FEATURES"),
        map(_line, models),
        right={"CONTEXT", "INPUT", "OUTPUT"},
        wraps={"PRICE FROM", "ENDS", "FEATURES"},
        empty="no model is known by name: name one by [models.<alias>] in homa.toml",
    )


def _fleet() -> Fleet:
    """This process's settings where they have a provider, else those in the store."""
    from homa_shared.settings.fleet import Fleet
    from homa_shared.store.transitions.fleet import read_fleet

    settings = settings_context().settings
    if settings.providers:
        return settings.fleet()
    with session() as here:
        return here.store.run(read_fleet(here.keys)) or Fleet()


def _providers(fleet: Fleet, wanted: str | None) -> list[str]:
    """The providers to list. Raises InvalidRequest where the one that is wanted is not configured."""
    from homa_shared.model.errors import InvalidRequest
    from homa_shared.model.targets import nearest
    from homa_shared.settings.names import suggestion

    if wanted is None:
        return list(fleet.providers)
    if wanted not in fleet.providers:
        known = ", ".join(fleet.providers) or "none"
        hint = suggestion(nearest(wanted, fleet.providers))
        raise InvalidRequest(f"no provider is named {wanted!r}: configured providers are {known}{hint}")
    return [wanted]


def _document(model: CataloguedModel) -> ModelDocument:
    price = model.price
    return {
        "target": str(model.target),
        "alias": model.alias,
        "context_window": model.context_window,
        "input_usd_per_million": usd_or_null(price.input if price else None),
        "output_usd_per_million": usd_or_null(price.output if price else None),
        "priced": price is not None,
        "price_source": price.source if price else None,
        "ends": model.ending.end.ends or None if model.ending else None,
        "retired": model.ending is not None and model.ending.end.over(today()),
        "successor": model.ending.end.successor or None if model.ending else None,
        "features": [str(feature) for feature in model.features],
    }


def _line(model: CataloguedModel) -> tuple[str, ...]:
    price = model.price
    prices = ("unpriced", "", "") if price is None else (dollars(price.input), dollars(price.output), price.source)
    ends = model.ending.end.told(today()) if model.ending else ""
    features = ", ".join(model.features)
    return (str(model.target), model.alias or "", number(model.context_window), *prices, ends, features)
