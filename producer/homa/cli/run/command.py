"""`homa run`: a batch from files to a results file."""

from __future__ import annotations

from typing import Any

import click

from homa.cli.option_types import nano_usd, seconds


@click.command(name="run")
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.option("--model", metavar="P:M", help="Target or alias that answers. Default: what each batch file's line says.")
@click.option("--fallback", "fallbacks", multiple=True, metavar="P:M", help="Tried next; again and again.")
@click.option("--prompt", metavar="TEXT|@FILE", help="Template; {{name}} is a field, text or path. Default: {{text}}.")
@click.option("--system", metavar="TEXT|@FILE", help="Instructions put in front.")
@click.option("--max-tokens", type=click.IntRange(1), help="Most tokens of an answer.")
@click.option("--schema", metavar="FILE", help="JSON schema of the answers; its fields become columns.")
@click.option("--temperature", type=click.FloatRange(0, 2))
@click.option("--budget", callback=nano_usd, metavar="USD", help="Most that the run may cost, resumed parts included.")
@click.option("--tag", "tags", multiple=True, metavar="K=V", help="For the cost report; again and again.")
@click.option("--tenant", default="", help="On whose account.")
@click.option("--lane", type=click.Choice(["high", "default", "bulk"]), default="bulk", show_default=True)
@click.option("--deadline", callback=seconds, metavar="TIME", help="Jobs not done so long after submission expire.")
@click.option(
    "--api",
    type=click.Choice(["chat", "responses"]),
    help="Which of OpenAI's APIs is asked, at OpenAI and Azure. Default: chat.",
)
@click.option(
    "--on-content-policy",
    type=click.Choice(["fail", "reroute"]),
    help="After a refusal by a provider's content policy: fail (default), or go on to the next fallback.",
)
@click.option("--cache/--no-cache", default=None, help="Answer equal requests once. Default: as the alias says.")
@click.option(
    "--prompt-cache/--no-prompt-cache",
    default=True,
    show_default=True,
    help="Let the provider keep what all prompts begin with.",
)
@click.option("--id-column", metavar="NAME", help="Field that names a row. Default: custom_id or id.")
@click.option("--encoding", default="utf-8", show_default=True, help="Of files without a byte order mark.")
@click.option("-o", "--output", default="results.jsonl", show_default=True, metavar="FILE|-")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv", "parquet"]), help="Default: by the file's ending.")
@click.option("--resume", is_flag=True, help="Do only what is missing in the output.")
@click.option("--force", is_flag=True, help="Write an existing output anew.")
@click.option("--workers", default="auto", show_default=True, metavar="auto|none|N", help="Its own worker processes.")
@click.option("--detach", is_flag=True, help="Submit and leave; collect with --resume.")
@click.option("--dry-run", is_flag=True, help="Show first prompt, rows, tokens, cost and time; call nobody.")
@click.option("--limit", type=click.IntRange(1), help="Only the first so many rows.")
@click.option("--sample", type=click.IntRange(1), help="Only so many rows, drawn at random.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws the same sample again.")
@click.option("--max-failures", metavar="N|N%", help="Pause there. Default: when the first 20 all fail alike.")
@click.option("--progress", type=click.Choice(["auto", "bar", "log", "none"]), default="auto", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="End with one JSON document on stdout.")
def command(**options: Any) -> None:
    """Run a batch: from files to a results file, with live progress.

    INPUT: files, directories, globs, - for standard input; text, Markdown, PDF, JSON Lines, CSV, OpenAI batch files.

    Exit status: 0 all done, 1 some jobs failed, 2 wrong usage or settings, 3 could not go on (resumable), 130 and 143
    interrupted.
    """
    # Here and not above: `homa run --help` needs none of it.
    from homa.cli.run.dispatch import run_batch

    run_batch(**options)
