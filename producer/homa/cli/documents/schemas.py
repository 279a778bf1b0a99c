"""JSON schemas (draft 2020-12) of what `--json` prints, made of the documents' types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_
from typing import Any

import click
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from homa.cli.output import JsonOption


class _Closed(GenerateJsonSchema):
    """Objects have the fields of their type and no others."""

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        return {**super().typed_dict_schema(schema), "additionalProperties": False}


def schema_of(documents: Sequence[type[Any]], *, closed: bool = False) -> dict[str, Any]:
    """The schema of what is one of some types.

    Args:
        documents: at least one.
        closed: other fields are refused; without it a schema also fits what a later release prints.
    """
    kind: Any = reduce(or_, documents)
    generator = _Closed if closed else GenerateJsonSchema
    return TypeAdapter[Any](kind).json_schema(mode="serialization", schema_generator=generator)


def documents_of(command: click.Command) -> Sequence[type[Any]]:
    """The types of what a command prints by `--json`; empty for one that does not have it."""
    return next((option.documents for option in command.params if isinstance(option, JsonOption)), ())


def commands_with_documents(
    command: click.Command, context: click.Context, words: tuple[str, ...] = ()
) -> Iterator[tuple[str, Sequence[type[Any]]]]:
    """Words of every command below one that has `--json`, and the types of what it prints."""
    if documents := documents_of(command):
        yield " ".join(words), documents
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if (below := command.get_command(context, name)) is not None:
                inner = click.Context(below, info_name=name, parent=context)
                yield from commands_with_documents(below, inner, (*words, name))
