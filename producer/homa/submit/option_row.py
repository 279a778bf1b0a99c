"""A row of the table of job options, and the flag that a command line has for it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from homa.submit.option_checks import Check


class Part(StrEnum):
    """What of a request an option fills."""

    #: A field of `Options`, for what the client itself does.
    CLIENT = "client"
    #: A field of the record that the store keeps (`Common`).
    RECORD = "record"
    #: A field of the stored request (`request_head`).
    REQUEST = "request"
    #: A field of the rules by which an answer is pursued (`StepRules`).
    STEPS = "steps"
    #: An option of the provider's, which is sent to it.
    PROVIDER = "provider"
    #: Nothing here: messages, the job's names and `provider_options` are taken out before options are checked.
    APART = "apart"


class Command(StrEnum):
    """Commands that submit jobs."""

    RUN = "run"
    ASK = "ask"
    EMBED = "embed"


RUN, ASK, EMBED = Command.RUN, Command.ASK, Command.EMBED
#: Commands with the option's own help.
CHATS: dict[Command, str] = {RUN: "", ASK: ""}
EVERY: dict[Command, str] = {**CHATS, EMBED: ""}


class Flag(NamedTuple):
    """The option on the command line."""

    name: str
    #: Commands that have it -> what their help says of it; empty for `help`.
    commands: Mapping[Command, str]
    metavar: str | None = None
    #: Given once for each of its values.
    repeated: bool = False
    required: frozenset[Command] = frozenset()
    #: What a command has where nothing is said, shown in its help.
    defaults: Mapping[Command, Any] = MappingProxyType({})
    #: What help says of it; empty for the option's own sentence.
    help: str = ""


class JobOption(NamedTuple):
    """One row of the table."""

    #: One sentence for the documents, the command line and whoever reads the table.
    help: str
    #: None where the static type says all: a choice of words, or yes and no.
    check: Check | None = None
    part: Part = Part.PROVIDER
    #: Field of the part that is filled; empty for one of the option's own name.
    field: str = ""
    #: What holds where nothing is said; None for nothing, or what an alias or the provider says.
    default: object = None
    flag: Flag | None = None
