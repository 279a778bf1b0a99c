"""What the lines of batches look like, for all APIs."""

from __future__ import annotations

from homa.gateway.anthropic.batches import lines as anthropic
from homa.gateway.batches.line_format import LineFormat
from homa.gateway.openai.batches import lines as openai
from homa.gateway.openai.batches.forms import FORMS

#: (API, endpoint) -> how lines of its batches look.
LINE_FORMATS: dict[tuple[str, str], LineFormat] = {
    **{(openai.API, endpoint): form for endpoint, form in FORMS.items()},
    (anthropic.API, anthropic.ENDPOINT): anthropic.MessageLines(),
}
