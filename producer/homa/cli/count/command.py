"""`homa count`: how many tokens a text has for a model."""

from __future__ import annotations

import click

from homa.cli.documents.work import CountDocument
from homa.cli.option_types import TargetText
from homa.cli.output import json_option


@click.command(name="count")
@click.argument("text", metavar="TEXT|@FILE|-")
@click.option("--model", required=True, type=TargetText(), metavar="P:M", help="Target or alias that would read it.")
@click.option("--exact", is_flag=True, help="Ask the provider's own count, where it has one; needs its key here.")
@json_option(CountDocument)
def command(text: str, model: str, exact: bool, as_json: bool) -> None:
    """Count tokens of a text. Counts are exact and offline for OpenAI's models whose encodings are public; others are
    estimated, by a factor that workers learn from what replies report.

    Exit status: 0 counted, 2 wrong usage or settings, 3 the provider did not answer.
    """
    from homa.cli.count.run import count_text

    count_text(text, model, exact=exact, as_json=as_json)
