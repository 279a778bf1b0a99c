"""`homa templates`: prompt templates are made, listed, shown, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from homa.cli.context import say, session, submitting_session
from homa.cli.documents.conversations import TemplateDocument, TemplatesDocument, TemplateVersionsDocument
from homa.cli.output import json_option, moment, number, print_json, print_table
from homa.client.management.wording import shortened
from homa.client.template_flows import current_templates, delete_template, put_template, versions_of
from homa_shared.calls.prompt_templates import Template, VariableType
from homa_shared.model.errors import InvalidRequest


@click.group("templates")
def command() -> None:
    """Make, list, show or delete prompt templates.

    A template has a name, versions that never change, and typed variables, which {{variable}} stands for in its text.
    """


@command.command()
@click.argument("name")
@click.option("--prompt", required=True, metavar="TEXT|@FILE", help="Its text, in which {{variable}} is replaced.")
@click.option("--system", metavar="TEXT|@FILE", help="Instructions put in front, likewise.")
@click.option(
    "--variable",
    "variables",
    multiple=True,
    metavar="NAME=TYPE",
    help="text (default), integer, number, boolean, json, or words that it may be: tone=kind,strict.",
)
@json_option(TemplateDocument)
def create(name: str, prompt: str, system: str | None, variables: Sequence[str], as_json: bool) -> None:
    """Store a template; another text of the same name is its next version, the same text none."""
    from homa.files import read_argument

    text = read_argument(prompt, "--prompt")
    instructions = None if system is None else read_argument(system, "--system")
    with submitting_session() as here:
        made = here.driver.run(put_template(here.keys, name, text, instructions, _types(variables)))
    if as_json:
        print_json(_document(made))
        return
    say(f"template {made.ref}")


@command.command("list")
@json_option(TemplatesDocument)
def list_(as_json: bool) -> None:
    """List templates in their current versions."""
    with session() as here:
        found = here.driver.run(current_templates(here.keys))
    if as_json:
        print_json(TemplatesDocument(templates=[_document(each) for each in found]))
        return
    print_table(
        ("TEMPLATE", "VERSION", "VARIABLES", "SINCE", "PROMPT"),
        (
            (each.name, number(each.version), _variables(each), moment(each.created_ms), shortened(each.prompt))
            for each in found
        ),
        right={"VERSION"},
        wraps={"VARIABLES", "PROMPT"},
        empty="no template is stored: homa templates create NAME --prompt TEXT",
    )


@command.command()
@click.argument("name", metavar="NAME[@V]")
@json_option(TemplateVersionsDocument)
def show(name: str, as_json: bool) -> None:
    """Show a template's versions, the newest first, or the one that is named."""
    with session() as here:
        found = here.driver.run(versions_of(here.keys, name))
    if as_json:
        print_json(TemplateVersionsDocument(versions=[_document(each) for each in found]))
        return
    for each in found:
        click.echo(f"{each.ref}  {moment(each.created_ms)}  {_variables(each)}")
        if each.system is not None:
            click.echo(f"[system]\n{each.system}")
        click.echo(f"[prompt]\n{each.prompt}\n")


@command.command()
@click.argument("name", metavar="NAME[@V]")
def delete(name: str) -> None:
    """Delete a template, or one version of it. Its numbers are not given again; jobs by it are as they were."""
    with session() as here:
        deleted = here.driver.run(delete_template(here.keys, name))
    say(f"deleted {number(deleted)} version{'s' if deleted > 1 else ''} of template {name.partition('@')[0]}")


def _types(pairs: Sequence[str]) -> dict[str, VariableType]:
    """Types of variables from `NAME=TYPE` pairs."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, kind = pair.partition("=")
        if not equals or not name or name in found:
            what = "is given twice" if name in found else "has no type"
            raise InvalidRequest(f"--variable {pair!r:.80} {what}: expected NAME=TYPE, each name once")
        found[name] = [word.strip() for word in kind.split(",")] if "," in kind else kind
    return found


def _variables(template: Template) -> str:
    return ", ".join(
        f"{name}: {kind if isinstance(kind, str) else ' | '.join(kind)}" for name, kind in template.variables.items()
    )


def _document(template: Template) -> TemplateDocument:
    return {
        "name": template.name,
        "version": template.version,
        "prompt": template.prompt,
        "system": template.system,
        "variables": {name: kind if isinstance(kind, str) else list(kind) for name, kind in template.variables.items()},
        "created_ms": template.created_ms,
    }
