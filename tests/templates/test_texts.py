"""What a template says, and what its variables take."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homa_shared.calls.prompt_templates import AsTexts, Template, TemplateRef, of_tags
from homa_shared.model.errors import InvalidRequest


def made(prompt: str, variables: object = None, system: str | None = None) -> Template:
    return Template.checked("t", prompt, system, variables)


def test_each_kind_of_value_is_put_in_once_and_literally() -> None:
    template = made(
        "{{a}} {{ b }} {{c}} {{d}} {{e}} {{f}}",
        {"b": "integer", "c": "number", "d": "boolean", "e": "json", "f": ["x", "y"]},
    )
    values = {"a": "{{b}}", "b": 3, "c": 0.5, "d": True, "e": {"k": [None]}, "f": "y"}
    assert template.fill(values).prompt == '{{b}} 3 0.5 true {"k":[null]} y'


def test_a_system_text_has_variables_too() -> None:
    filled = made("{{a}}", system="Be {{b}}.").fill({"a": "1", "b": "kind"})
    assert filled == ("1", "Be kind.")


@pytest.mark.parametrize(
    ("variables", "values", "why"),
    [
        ({}, {}, "values lacks 'a', a variable of template t@0: expected text"),
        ({}, None, "values lacks 'a'"),
        ({}, {"a": None}, "values lacks 'a'"),
        ({}, {"a": 5}, r"values\['a'\] of template t@0 is 5: expected text"),
        ({"a": "integer"}, {"a": "5"}, r"values\['a'\] of template t@0 is '5': expected a whole number"),
        ({"a": "integer"}, {"a": True}, "expected a whole number"),
        ({"a": "integer"}, {"a": 5.0}, "expected a whole number"),
        ({"a": "number"}, {"a": float("nan")}, "expected a number"),
        ({"a": "boolean"}, {"a": 1}, "expected true or false"),
        ({"a": "json"}, {"a": object()}, "expected a value that JSON has"),
        ({"a": ["x", "y"]}, {"a": "z"}, "expected one of 'x', 'y'"),
        ({}, {"a": "1", "b": "2"}, "values has 'b', which is no variable of template t@0: a"),
        ({}, ["a"], r"values is \['a'\]: expected names and values of template t@0"),
    ],
)
def test_a_wrong_value_is_named(variables: Any, values: Any, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        made("{{a}}", variables).fill(values)


@pytest.mark.parametrize(
    ("name", "prompt", "variables", "why"),
    [
        ("a b", "x", None, "name is 'a b': expected 1 to 64 letters"),
        (5, "x", None, "name is 5"),
        ("t", "", None, "prompt of template t is '': expected text"),
        ("t", 5, None, "prompt of template t is 5"),
        ("t", "\ud800", None, "no valid Unicode"),
        ("t", "{{a b}}", None, r"template t uses {{a b}}: expected a name of letters"),
        ("t", "{{a:integer}}", None, r"template t uses {{a:integer}}: expected a name of letters"),
        ("t", "{{a}}", {"b": "text"}, "variables of template t has 'b', which its text does not use: .* a"),
        ("t", "{{a}}", {"a": "string"}, "variable 'a' of template t is 'string': expected one of text, integer"),
        ("t", "{{a}}", {"a": []}, r"variable 'a' of template t is \[\]"),
        ("t", "{{a}}", ["a"], r"variables of template t is \['a'\]"),
        ("t", "x" * 200_001, None, "200,001 bytes"),
    ],
)
def test_a_template_that_is_wrong_is_refused(name: Any, prompt: Any, variables: Any, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        Template.checked(name, prompt, None, variables)


@pytest.mark.parametrize("said", ["", "a@", "a@0", "a@x", "a b", "@1", "a@1@2", 5, None])
def test_a_name_that_is_none_is_refused(said: object) -> None:
    with pytest.raises(InvalidRequest, match="template is"):
        TemplateRef.parse(said)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [("text", "5", "5"), ("integer", "5", 5), ("number", "0.5", 0.5), ("boolean", "True", True), ("json", "[1]", [1])],
)
def test_what_is_written_as_text_is_read_by_its_type(kind: str, text: str, value: object) -> None:
    template = made("{{a}}", {"a": kind})
    assert template.parsed("a", text) == value
    assert template.fill(AsTexts(a=text)) == template.fill({"a": value})


@pytest.mark.parametrize("kind", ["integer", "number", "boolean", "json"])
def test_text_that_is_no_value_of_its_type_is_named(kind: str) -> None:
    with pytest.raises(InvalidRequest, match=r"values\['a'\] of template t@0 is 'x': expected"):
        made("{{a}}", {"a": kind}).fill(AsTexts(a="x"))


def test_moments_of_a_schedule_stay_where_one_asks_for_it() -> None:
    template = made("From {{since}} to {{until:%d}}: {{a}}")
    assert template.fill({"a": "1"}, scheduled=True).prompt == "From {{since}} to {{until:%d}}: 1"
    with pytest.raises(InvalidRequest, match="values lacks 'since'"):
        template.fill({"a": "1"})
    assert template.fill({"a": "1", "since": "x", "until:%d": "y"}).prompt == "From x to y: 1"


def test_a_tag_of_another_sort_names_no_template() -> None:
    assert of_tags({"template": "blue"}) == of_tags("template=blue\na=1") == of_tags({}) == of_tags("") == ""
    assert of_tags({"template": "t@12"}) == of_tags("a=1\ntemplate=t@12") == "t@12"


@given(st.text(min_size=1), st.text())
def test_no_value_changes_the_text_around_it(before: str, value: str) -> None:
    before = before.replace("{", "(").replace("}", ")")
    try:
        template = made(f"{before}{{{{a}}}}|")
    except InvalidRequest:  # no valid Unicode
        return
    assert template.fill({"a": value}).prompt == f"{before}{value}|"
