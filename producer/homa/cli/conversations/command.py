"""`homa conversations`: list, show, export, import, delete. Who can reach the store may see everybody's."""

from __future__ import annotations

from typing import BinaryIO

import click

from homa.cli.context import say, session, submitting_session
from homa.cli.conversations.format import conversation_document, conversation_facts, turn_document, turn_rows
from homa.cli.documents.conversations import ConversationsDocument, ShownConversationDocument
from homa.cli.output import age, json_option, number, print_facts, print_json, print_table
from homa.client.conversations.info import ConversationInfo, list_conversations
from homa.client.conversations.reading import PAGE, read_page, turns_of
from homa.client.conversations.refusals import not_found
from homa.client.conversations.transfer import export as exported
from homa.client.conversations.transfer import import_text
from homa.drivers.effects import ask_patiently
from homa_shared.store import reads
from homa_shared.store.transitions import conversations as transitions


@click.group("conversations")
def command() -> None:
    """List, show, export, import or delete conversations."""


@command.command("list")
@click.option("--owner", metavar="NAME", help="Only this owner's.")
@click.option("--tenant", metavar="NAME", help="Only this tenant's.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Most to list.")
@json_option(ConversationsDocument)
def list_(owner: str | None, tenant: str | None, limit: int, as_json: bool) -> None:
    """List conversations, those used last first."""
    with session() as here:
        found = here.driver.run(list_conversations(here.keys, owner, tenant, limit))
        now_ms = here.store.run(reads.server_time(here.keys))
    if as_json:
        print_json(ConversationsDocument(conversations=[conversation_document(info) for info in found]))
        return
    print_table(
        ("CONVERSATION", "TURNS", "WAITS", "USED", "OWNER", "TENANT", "MODEL", "BRANCH OF"),
        (
            (
                info.id,
                number(info.turns),
                "yes" if info.pending else "",
                age(info.used_at, now_ms),
                info.owner,
                info.tenant,
                info.model or "",
                f"{info.branch_of} at {info.branched_at}" if info.branch_of else "",
            )
            for info in found
        ),
        right={"TURNS", "USED"},
        empty="the store holds no conversation" if owner is None and tenant is None else "no conversation fits",
    )


@command.command()
@click.argument("conversation")
@click.option("--turns", type=click.IntRange(1, PAGE), default=20, show_default=True, help="Last turns to show.")
@json_option(ShownConversationDocument)
def show(conversation: str, turns: int, as_json: bool) -> None:
    """Show a conversation and its last turns."""
    with session() as here:
        page = here.driver.run(read_page(here.keys, conversation, None))
        if page is None:
            raise not_found(conversation)
        latest = here.driver.run(turns_of(here.keys, page))[-turns:]
    info = ConversationInfo.of(page.facts)
    if as_json:
        turns_told = [turn_document(turn) for turn in latest]
        print_json(ShownConversationDocument(**conversation_document(info), latest_turns=turns_told))
        return
    print_facts(conversation_facts(info))
    print_table(
        ("TURN", "STATE", "AT", "TARGET", "SAID", "ANSWER"), turn_rows(latest), right={"TURN"}, wraps={"ANSWER"}
    )


@command.command()
@click.argument("conversation")
@click.option("--format", "form", type=click.Choice(("json", "markdown")), default="json", show_default=True)
@click.option("--output", "-o", type=click.File("wb"), default="-", show_default=True, help="File to write, or -.")
def export(conversation: str, form: str, output: BinaryIO) -> None:
    """Write a conversation down: as JSON, which `import` reads, or as Markdown for people."""
    with session() as here:
        text = here.driver.run(exported(here.keys, conversation, None, form))
    output.write(text.encode() if text.endswith("\n") else f"{text}\n".encode())


@command.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--id", "name", metavar="ID", help="Instead of the id that it had.")
@click.option("--owner", metavar="NAME", help="Instead of the owner that it had.")
@click.option("--tenant", metavar="NAME", help="Instead of the tenant that it had.")
def import_(file: BinaryIO, name: str | None, owner: str | None, tenant: str | None) -> None:
    """Put a conversation in the store that `export` has written as JSON. FILE is a path, or -."""
    with submitting_session() as here:
        new, _ = here.driver.run(import_text(here.submitter, file.read(), name, owner, tenant))
    say(f"conversation {new} is imported")


@command.command()
@click.argument("conversations", nargs=-1, required=True)
def delete(conversations: tuple[str, ...]) -> None:
    """Forget conversations; jobs that were to answer their last turns are cancelled."""
    with session() as here:
        for conversation in conversations:
            word, job = here.driver.run(ask_patiently(transitions.delete(here.keys, conversation)))
            if word != "ok":
                raise not_found(conversation)
            say(f"conversation {conversation} is deleted" + (f", and its job {job} cancelled" if job else ""))
