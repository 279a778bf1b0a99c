"""`homa run`: a batch from files to a results file."""

from __future__ import annotations

import os
from typing import Any

import click

from homa.cli.documents.work import (
    DetachedRunDocument,
    DryRunDocument,
    FlowDryRunDocument,
    FlowRunResultDocument,
    RunDocument,
)
from homa.cli.input_options import input_options
from homa.cli.job_flags import JobFlags
from homa.cli.output import json_option
from homa.cli.unit_options import unit_options
from homa.submit.option_row import Command

_flags = JobFlags(Command.RUN)
#: As homa.files.OutputFormat has them, which takes long to import; a test compares.
_FORMATS = ["jsonl", "csv", "tsv", "xlsx", "parquet", "sqlite", "md", "json", "txt"]


@click.command(name="run")
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@_flags("model", "fallbacks")
@click.option("--prompt", metavar="TEXT|@FILE", help="Template; {{name}} is a field, text or path. Default: {{text}}.")
@click.option("--flow", metavar="FILE", help="Steps that each input goes through, instead of model and prompt.")
@_flags("template", "system", "max_tokens", "schema", "temperature", "budget_usd", "tags", "tenant", "lane")
@_flags("deadline_s", "api")
@_flags.others()
@click.option("--cite", is_flag=True, help="Quotes that answers rest on, with file, page and characters, checked.")
@click.option("--id-column", metavar="NAME", help="Field that names a row. Default: custom_id or id.")
@input_options
@unit_options
@click.option("-o", "--output", default="results.jsonl", show_default=True, metavar="FILE|FILE#TABLE|FOLDER/|s3://…|-")
@click.option("--format", "form", type=click.Choice(_FORMATS), help="Default: by the file's ending; of a folder, md.")
@click.option("--resume", is_flag=True, help="Do only what is new, changed, or failed before.")
@click.option("--changed", is_flag=True, help="With --resume: another prompt or model; do these rows anew.")
@click.option("--prune", is_flag=True, help="With --resume: drop lines whose input is gone.")
@click.option(
    "--retry",
    type=click.Choice(["truncated", "invalid", "failed"]),
    multiple=True,
    help="Resume, and of what has ended do these anew. Default: failed; may be repeated.",
)
@click.option("--redo", type=click.Choice(["cut"]), hidden=True)
@click.option("--force", is_flag=True, help="Write an existing output anew.")
@click.option("--workers", default="auto", show_default=True, metavar="auto|none|N", help="Its own worker processes.")
@click.option("--detach", is_flag=True, help="Submit and leave; collect with --resume.")
@click.option("--fill", metavar="BATCH", hidden=True, help="Of a worker: the batch that a schedule has opened.")
@click.option("--dry-run", is_flag=True, help="Show first prompt, rows, tokens, cost and time; call nobody.")
@click.option("--limit", type=click.IntRange(1), help="Only the first so many rows.")
@click.option("--sample", type=click.IntRange(1), help="Only so many rows, drawn at random.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws the same sample again.")
@click.option("--max-failures", metavar="N|N%", help="Pause there. Default: when the first 20 all fail alike.")
@click.option("--progress", type=click.Choice(["auto", "bar", "log", "none"]), default="auto", show_default=True)
@click.option("--debug", is_flag=True, help="As HOMA_DEBUG=1: its workers log each call, errors come with tracebacks.")
@json_option(
    RunDocument,
    DetachedRunDocument,
    DryRunDocument,
    FlowRunResultDocument,
    FlowDryRunDocument,
    said="End with one JSON document on stdout.",
)
def command(debug: bool, **options: Any) -> None:
    """Run a batch: from files to a results file, with live progress.

    INPUT: files, directories, globs, addresses (https://, s3://, gs://, az://), - for standard input. Documents (PDF,
    DOCX, PPTX, ODT, RTF, EPUB, HTML, mail, text, images), rows (JSON Lines, JSON arrays, CSV, XLSX, ODS, Parquet,
    Arrow, SQLite, OpenAI batch files), and archives of them.

    Exit status: 0 all done, 1 some jobs failed, 2 wrong usage or settings, 3 could not go on (resumable), 130 and 143
    interrupted.
    """
    if debug:
        # Its workers are processes that inherit it.
        os.environ["HOMA_DEBUG"] = "1"
    # Here and not above: `homa run --help` needs none of it.
    if options["flow"] is not None:
        from homa.cli.run.flow_run import run_flow

        run_flow(options)
        return
    from homa.cli.run.dispatch import run_batch

    run_batch(**options)
