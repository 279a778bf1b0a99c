"""`homa embed`: texts from files to vectors."""

from __future__ import annotations

from typing import Any

import click

from homa.cli.option_types import nano_usd, seconds


@click.command(name="embed")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--model", required=True, metavar="P:M", help="Target or alias that embeds.")
@click.option("--fallback", "fallbacks", multiple=True, metavar="P:M", help="Tried next; again and again.")
@click.option("--column", metavar="NAME", help="Field or column that is embedded. Default: text.")
@click.option("--id-column", metavar="NAME", help="Field or column that names a row. Default: custom_id or id.")
@click.option("--encoding", default="utf-8", show_default=True, help="Of the inputs.")
@click.option("--dimensions", type=click.IntRange(1), help="Width of the vectors, where the model lets one choose.")
@click.option("--output", default="-", show_default=True, metavar="FILE|-", help="Where the vectors go.")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), help="Default: as the output's name says.")
@click.option("--force", is_flag=True, help="Write an existing output anew.")
@click.option("--budget", callback=nano_usd, metavar="USD", help="Most that each job of up to 2000 texts may cost.")
@click.option("--tag", "tags", multiple=True, metavar="K=V", help="For the cost report; again and again.")
@click.option("--tenant", default="", help="On whose account.")
@click.option("--lane", type=click.Choice(["high", "default", "bulk"]), default="bulk", show_default=True)
@click.option("--deadline", callback=seconds, metavar="TIME", help="Give up after this long.")
@click.option("--cache/--no-cache", default=None, help="Take kept vectors of equal texts. Default: as the alias says.")
@click.option("--workers", default="auto", show_default=True, metavar="auto|none|N", help="Its own worker processes.")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON document of sums on stdout; needs --output.")
def command(**options: Any) -> None:
    """Turn texts into vectors. INPUT: files, directories, globs, or - for standard input, as `homa run` reads them.

    A line of the output holds `custom_id` and `embedding`, in the order of the inputs.

    Exit status: 0 all done, 1 some inputs could not be read or embedded, 2 wrong usage or settings, 3 store or budget,
    130 and 143 interrupted: the job is then cancelled.
    """
    from homa.cli.embed.run import embed_inputs

    embed_inputs(**options)
