"""`{{name}}` is replaced literally, once; nothing else is special."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homa.files import BadRow, MissingField, PromptTemplate, Row, columns_of, look_ahead
from homa_shared.model.errors import InvalidRequest


def row(text: str | None = "the text", **fields: Any) -> Row:
    return Row("id", "docs/a.txt", None, text, fields)


def rendered(source: str, **fields: Any) -> str:
    return PromptTemplate.parse(source).render(row(**fields))


@pytest.mark.parametrize(
    ("source", "prompt"),
    [
        ("Say {{text}}!", "Say the text!"),
        ("{{ text }} in {{path}}", "the text in docs/a.txt"),
        ("{{name}} {{Full Name}} {{name}}", "Ada Ada L. Ada"),
        ("{{{name}}}", "{Ada}"),
        ("{{}} {{ }} {name} {{na\nme}} }}{{", "{{}} {{ }} {name} {{na\nme}} }}{{"),
        ("{{n}} {{yes}} {{none}} {{list}}", '5 true  [1, "ä"]'),
        (r"\{{name}} $name %s {name!r}", r"\Ada $name %s {name!r}"),
        ("no names", "no names"),
        ("", ""),
    ],
)
def test_names_are_replaced_and_nothing_else(source: str, prompt: str) -> None:
    fields = {"name": "Ada", "Full Name": "Ada L.", "n": 5, "yes": True, "none": None, "list": [1, "ä"]}
    assert rendered(source, **fields) == prompt


def test_a_field_is_preferred_to_the_row_s_own_text_and_path() -> None:
    assert PromptTemplate.parse("{{path}}").render(row(path="field")) == "field"
    assert PromptTemplate.parse("{{text}}").render(Row("id", "a", 1, "5", {"text": 5})) == "5"


def test_null_is_an_empty_cell() -> None:
    assert rendered("<{{name}}>", name=None) == "<>"
    assert rendered("{{list}}", list=[None]) == "[null]"


anything = st.text(st.characters(exclude_categories=["Cs"]))


@given(anything, anything, anything)
def test_what_a_row_puts_in_stands_there_as_it_is(before: str, value: str, after: str) -> None:
    """Whatever the value holds, placeholders too, it is never looked at again."""
    before, after = before.replace("{", "("), after.replace("}", ")")
    template = PromptTemplate(f"{before}{{{{name}}}}{after}", (before, "name", after))
    assert template.render(row(name=value)) == before + value + after
    parsed = PromptTemplate.parse("<{{name}}|{{other}}>")
    assert parsed.render(row(name=value, other="{{name}}")) == f"<{value}|{{{{name}}}}>"


@given(anything.filter(lambda text: "{{" not in text))
def test_text_without_placeholders_is_its_own_prompt(source: str) -> None:
    assert PromptTemplate.parse(source).render(row()) == source


def test_names_are_told_once_in_order() -> None:
    assert PromptTemplate.parse("{{b}} {{a}} {{ b }}").names == ("b", "a")


def test_a_name_that_no_column_has_is_refused_with_the_columns_known() -> None:
    template = PromptTemplate.parse("{{titel}} {{text}}")
    template.check(["titel", "text"])
    with pytest.raises(InvalidRequest) as refused:
        template.check(["title", "text", "path"])
    assert str(refused.value) == ("template uses {{titel}}: known here are title, text, path; did you mean {{title}}?")


def test_a_name_like_no_column_gets_no_guess() -> None:
    with pytest.raises(InvalidRequest, match=r"known here are text$"):
        PromptTemplate.parse("{{zzz}}").check(["text"])


def test_a_row_without_the_field_is_refused_by_name() -> None:
    with pytest.raises(MissingField) as refused:
        PromptTemplate.parse("{{title}}").render(row(name="x"))
    assert str(refused.value) == "has no field 'title', which the template uses; its fields: name, text, path"
    with pytest.raises(MissingField, match="'text'"):
        PromptTemplate.parse("{{text}}").render(row(text=None, name="x"))


@pytest.mark.parametrize(
    "source",
    [
        "What? {text}",
        "What? ${text}",
        "What? $text",
        "What? <Text>",
        "What? [text]",
        "What? { text }",
        "{{text}",
        "%text%",
    ],
)
def test_another_languages_placeholder_is_recognized(source: str) -> None:
    with pytest.raises(InvalidRequest, match=r"did you mean \{\{text\}\} where it says"):
        PromptTemplate.parse(source).check_varies(["id", "text", "path"])


def test_a_prompt_without_a_field_is_refused_and_one_with_a_field_is_not() -> None:
    with pytest.raises(InvalidRequest, match=r"names no field.*Fields here: name, path"):
        PromptTemplate.parse("What is [this]?").check_varies(["name", "path"])
    PromptTemplate.parse("What is {{name}}?").check_varies(["name", "path"])


def test_a_refused_row_keeps_its_own_id() -> None:
    bad = Row("t7", "a.jsonl", 3, None, {}).rejected("has no field 'title'")
    assert bad == BadRow("t7", "a.jsonl", 3, "has no field 'title'")
    assert str(bad) == "a.jsonl:3: has no field 'title'"


def test_a_value_nested_too_deeply_is_refused() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(InvalidRequest, match="nests deeper"):
        rendered("{{deep}}", deep=value)


def test_the_default_prompt_is_the_document() -> None:
    assert PromptTemplate.load(None).render(row()) == "the text"
    assert PromptTemplate.load("Say {{text}}").render(row()) == "Say the text"


def test_a_template_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text("\ufeffSay {{text}}", "utf-8")
    assert PromptTemplate.load(f"@{file}").source == "Say {{text}}"


def test_a_template_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "latin").write_bytes(b"\xfc")
    for name, told in (("gone", "No such file"), ("empty", "is empty"), ("latin", "not valid UTF-8")):
        with pytest.raises(InvalidRequest, match=f"--prompt @.*{name}: .*{told}"):
            PromptTemplate.load(f"@{tmp_path / name}")


def test_columns_are_known_from_the_first_rows_and_no_row_is_lost() -> None:
    rows = [Row("1", "a", 1, None, {"x": 1}), BadRow("2", "a", 2, "bad"), Row("3", "a", 3, "t", {"y": 1, "path": "p"})]
    head, stream = look_ahead(iter(rows), 2)
    assert columns_of(head) == ["x", "path"]
    assert list(stream) == rows
    assert columns_of(rows) == ["x", "path", "y", "text"]
