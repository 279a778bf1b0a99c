"""`homa embed`: texts from files to vectors."""

from __future__ import annotations

from typing import Any

import click

from homa.cli.documents.work import EmbeddedTextsDocument
from homa.cli.input_options import text_options
from homa.cli.job_flags import JobFlags
from homa.cli.output import json_option
from homa.submit.option_row import Command

_flags = JobFlags(Command.EMBED)


@click.command(name="embed")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@_flags("model", "fallbacks")
@click.option("--column", metavar="NAME", help="Field or column that is embedded. Default: text.")
@click.option("--id-column", metavar="NAME", help="Field or column that names a row. Default: custom_id or id.")
@text_options
@_flags("dimensions")
@click.option("--output", default="-", show_default=True, metavar="FILE|-", help="Where the vectors go.")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), help="Default: as the output's name says.")
@click.option("--force", is_flag=True, help="Write an existing output anew.")
@_flags.others()
@click.option("--workers", default="auto", show_default=True, metavar="auto|none|N", help="Its own worker processes.")
@json_option(EmbeddedTextsDocument, said="End with one JSON document of sums on stdout; needs --output.")
def command(**options: Any) -> None:
    """Turn texts into vectors. INPUT: files, directories, globs, or - for standard input, as `homa run` reads them.

    A line of the output holds `custom_id` and `embedding`, in the order of the inputs.

    Exit status: 0 all done, 1 some inputs could not be read or embedded, 2 wrong usage or settings, 3 store or budget,
    130 and 143 interrupted: the job is then cancelled.
    """
    from homa.cli.embed.run import embed_inputs

    embed_inputs(**options)
