"""`homa ask`: one job, its answer as it is written."""

from __future__ import annotations

from typing import Any

import click

from homa.cli.option_types import nano_usd, seconds


@click.command(name="ask")
@click.argument("prompt")
@click.option("--model", required=True, metavar="P:M", help="Target or alias that answers.")
@click.option("--fallback", "fallbacks", multiple=True, metavar="P:M", help="Tried next; again and again.")
@click.option("--system", metavar="TEXT|@FILE", help="Instructions put in front.")
@click.option("--image", "images", multiple=True, metavar="PATH|URL", help="Shown with the prompt; again and again.")
@click.option(
    "--file",
    "files",
    multiple=True,
    metavar="FILE",
    help="Its text is put before the prompt; a PDF goes as it is to models that read PDF.",
)
@click.option("--schema", metavar="FILE", help="JSON schema that the answer has to fit.")
@click.option("--max-tokens", type=click.IntRange(1), help="Most tokens of the answer.")
@click.option("--temperature", type=click.FloatRange(0, 2))
@click.option("--budget", callback=nano_usd, metavar="USD", help="Most that the answer may cost.")
@click.option("--tag", "tags", multiple=True, metavar="K=V", help="For the cost report; again and again.")
@click.option("--tenant", default="", help="On whose account.")
@click.option("--lane", type=click.Choice(["high", "default", "bulk"]), default="default", show_default=True)
@click.option("--deadline", callback=seconds, metavar="TIME", help="Give up after this long.")
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
@click.option("--cache/--no-cache", default=None, help="Take an equal request's answer. Default: as the alias says.")
@click.option("--stream/--no-stream", default=True, help="Show the answer as it is written.")
@click.option("--workers", default="auto", show_default=True, metavar="auto|none|N", help="Its own worker processes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
def command(**options: Any) -> None:
    """Run one job and stream the answer. PROMPT is the question, or - to read it from standard input.

    Exit status: 0 answered, 1 the job failed, 2 wrong usage or settings, 3 store or budget, 130 and 143 interrupted:
    the job is then cancelled.
    """
    from homa.cli.ask.run import ask_job

    ask_job(**options)
