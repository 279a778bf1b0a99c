"""`homa ask`: one job, its answer as it is written."""

from __future__ import annotations

from typing import Any

import click

from homa.cli.documents.work import ReplyDocument
from homa.cli.job_flags import JobFlags
from homa.cli.option_types import value_option
from homa.cli.output import json_option
from homa.submit.option_row import Command

_flags = JobFlags(Command.ASK)


@click.command(name="ask")
@click.argument("prompt", required=False)
@_flags("model", "fallbacks", "template")
@value_option
@_flags("system", "images", "files", "schema", "max_tokens", "temperature", "budget_usd")
@_flags("tags", "tenant", "lane", "deadline_s", "api")
@_flags.others()
@click.option(
    "--conversation", metavar="ID", help="Go on with this conversation, or begin it; --system is then its own."
)
@click.option("--owner", metavar="NAME", help="Whose the conversation is.")
@click.option("--window", metavar="WORDS", help="Its turns that are sent: turns=N, tokens=N, summary=P:M, by commas.")
@click.option("--expect-turn", type=click.IntRange(0), help="Refuse unless it has so many turns.")
@click.option("--stream/--no-stream", default=True, help="Show the answer as it is written.")
@click.option("--workers", default="auto", show_default=True, metavar="auto|none|N", help="Its own worker processes.")
@json_option(ReplyDocument, said="Print one JSON document instead.")
def command(**options: Any) -> None:
    """Run one job and stream the answer. PROMPT is the question, or - to read it from standard input.

    With --template there is none: a stored template asks, with a --value for each of its variables.

    Exit status: 0 answered, 1 the job failed, 2 wrong usage or settings, 3 store or budget, 130 and 143 interrupted:
    the job is then cancelled.
    """
    from homa.cli.ask.run import ask_job

    ask_job(**options)
