"""What requests of equal options share is worked out once, and anew when what it comes from has changed."""

from __future__ import annotations

from homa.submit.fleet_view import FleetView
from homa.submit.options import check_options
from homa.submit.templates import Templates
from homa_shared.settings.model import Settings

ASKED = {"model": "openai:gpt-6-luna", "max_tokens": 20, "tags": {"team": "a"}}


def test_equal_options_have_one_template(settings: Settings) -> None:
    view, templates = FleetView(settings.fleet()), Templates()
    assert templates.of(view, check_options(ASKED)) is templates.of(view, check_options(dict(ASKED)))


def test_other_options_have_another_one(settings: Settings) -> None:
    view, templates = FleetView(settings.fleet()), Templates()
    first = templates.of(view, check_options(ASKED))
    changes = ({"max_tokens": 21}, {"tags": {"team": "b"}}, {"deadline_s": 5}, {"temperature": 1}, {"tenant": "acme"})
    others = [templates.of(view, check_options({**ASKED, **change})) for change in changes]
    assert len({id(template) for template in (first, *others)}) == 1 + len(changes)
    assert others[2].options.deadline_ms == 5000


def test_settings_that_changed_make_it_anew(settings: Settings) -> None:
    templates, options = Templates(), check_options(ASKED)
    first = templates.of(FleetView(settings.fleet()), options)
    view = FleetView(settings.fleet())
    second = templates.of(view, options)
    assert second is not first
    templates.clear()
    assert templates.of(view, options) is not second


def test_what_hardly_comes_again_is_not_kept(settings: Settings) -> None:
    view, templates = FleetView(settings.fleet()), Templates()
    options = check_options({**ASKED, "metadata": {"ticket": 7}})
    assert templates.of(view, options) is not templates.of(view, options)
