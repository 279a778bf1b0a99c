"""`homa schema`: JSON schemas of what commands print by `--json`."""

from __future__ import annotations

from typing import Any

import click
from typing_extensions import TypedDict

from homa.cli.output import json_option, print_json, print_table
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.targets import nearest
from homa_shared.settings.names import suggestion


class SchemasDocument(TypedDict):
    #: Words of a command -> the schema of what it prints by `--json`.
    schemas: dict[str, dict[str, Any]]


@click.command("schema")
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@click.option("--closed", is_flag=True, help="Refuse other fields: for tests against this release.")
@json_option(SchemasDocument, said="The schemas of all commands, by their words, as one JSON document.")
def command(words: tuple[str, ...], closed: bool, as_json: bool) -> None:
    """Print the JSON schema (draft 2020-12) of what a command prints by --json; without COMMAND, list those that have
    one.

    Where a command prints JSON Lines, it is the schema of a line. A later release may add fields, which the schema
    lets pass; with --closed it does not.
    """
    from homa.cli.documents.schemas import commands_with_documents, schema_of

    root = click.get_current_context().find_root()
    known = dict(commands_with_documents(root.command, root))
    if words:
        name = " ".join(words)
        if name not in known:
            raise InvalidRequest(
                f"no command {name!r:.80} prints JSON{suggestion(nearest(name, known))}: `homa schema`"
            )
        print_json(schema_of(known[name], closed=closed))
    elif as_json:
        schemas = {name: schema_of(documents, closed=closed) for name, documents in known.items()}
        print_json(SchemasDocument(schemas=schemas))
    else:
        rows = ((f"homa {name}", ", ".join(one.__name__ for one in documents)) for name, documents in known.items())
        print_table(("COMMAND", "DOCUMENT"), rows, wraps={"DOCUMENT"})
