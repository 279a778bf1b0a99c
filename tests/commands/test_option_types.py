"""Values of options of the command line."""

from __future__ import annotations

import click
import pytest

from homa.cli import option_types
from homa_shared.model.errors import InvalidRequest


class TestValues:
    @pytest.mark.parametrize(
        ("text", "seconds"), [("90", 90), ("1.5s", 1.5), ("10m", 600), ("10min", 600), ("2 h", 7200), ("250ms", 0.25)]
    )
    def test_spans_of_time(self, text: str, seconds: float):
        context, parameter = click.Context(click.Command("x")), click.Option(["--x"])
        assert option_types.seconds(context, parameter, text) == seconds
        assert option_types.seconds(context, parameter, None) is None
        assert option_types.span_ms(text) == seconds * 1000

    @pytest.mark.parametrize("text", ["", "soon", "-5s", "5 weeks", "1e3s"])
    def test_what_is_no_span_is_named(self, text: str):
        with pytest.raises(click.BadParameter, match="is not a length of time"):
            option_types.span_ms(text)

    @pytest.mark.parametrize("text", ["99999999999d", "9" * 400 + "s"])
    def test_no_span_is_longer_than_clocks_go(self, text: str):
        with pytest.raises(click.BadParameter, match="longer than a hundred years"):
            option_types.span_ms(text)

    def test_nothing_is_no_deadline_and_no_budget_but_an_age_and_a_bill(self):
        context, parameter = click.Context(click.Command("x")), click.Option(["--x"])
        assert (option_types.span_ms("0s"), option_types.dollars("0")) == (0, 0)
        with pytest.raises(click.BadParameter, match="is zero"):
            option_types.seconds(context, parameter, "0s")
        with pytest.raises(click.BadParameter, match="is zero"):
            option_types.nano_usd(context, parameter, "0.00")
        with pytest.raises(click.BadParameter):
            option_types.dollars("much")

    def test_a_tag_twice_is_wrong(self):
        assert option_types.tags_of(["a=b=c"]) == {"a": "b=c"}
        with pytest.raises(InvalidRequest):
            option_types.tags_of(["=x"])
