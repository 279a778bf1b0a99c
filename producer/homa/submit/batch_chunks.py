"""Lines of a batch, gathered into chunks and sent a chunk at a time, so that no batch is ever held whole.

A line's job is named by batch and line, and its chunk may be sent again after a reply that was lost. Lines that say
the same beside their messages share one template; a chunk has one command for each, all in one write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from homa.submit.affordability import check_affordable
from homa.submit.attachments import names_of_media
from homa.submit.batch_line_options import BatchRequest, line_options
from homa.submit.encoded_messages import Prepared
from homa.submit.fleet_view import FleetView
from homa.submit.line_templates import LineTemplates, TemplateNotRead
from homa.submit.messages import build_messages, check_prompt
from homa.submit.option_checks import check_custom_id, check_metadata
from homa.submit.options import check_options
from homa.submit.shared_prefixes import Prefixes
from homa.submit.template import Template
from homa.submit.template_values import with_prompt
from homa.submit.traced import traced_entry
from homa.submit.uploads import UPLOAD_BYTES, Uploads
from homa_shared.calls.prompt_templates import Template as StoredTemplate
from homa_shared.calls.request import CHAT, EMBEDDING, to_json
from homa_shared.model.errors import BudgetExceeded, HomaError, InvalidRequest
from homa_shared.model.ids import batch_job_id
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op
from homa_shared.store.transitions.submit import Accepted, Common, Entry, submit

if TYPE_CHECKING:
    from homa_shared.traces import Traces

#: A chunk is sent, in one write, when it has so many jobs or bytes of requests.
CHUNK_JOBS, CHUNK_BYTES = 100, 1_000_000
#: Most jobs of one script, which others wait for: it takes the store about half a millisecond.
SCRIPT_JOBS = 50
#: Templates that are kept; lines may have any number of different options.
_MOST_TEMPLATES = 256
#: Ids that are held against one another, at about 100 bytes each.
_MOST_IDS = 1_000_000
#: What a line may say of its own without options of its own.
_PLAIN = frozenset({"prompt", "messages", "custom_id", "metadata", "template", "values"})


class Chunks:
    """Gathers the lines of one batch.

    Args:
        batch_id: names the jobs.
        view: the fleet's settings.
        defaults: options of `submit` for lines that do not say otherwise.
        uploads: takes note of media.
        cap: the batch's budget, nano-dollars; its lines must have a price.
        kind: of its requests.
        template: the stored template that lines give values to which name none themselves.
        traces: makes spans of its jobs.
    """

    def __init__(
        self,
        keys: Keys,
        batch_id: str,
        view: FleetView,
        defaults: Mapping[str, Any],
        uploads: Uploads,
        *,
        cap: int | None = None,
        kind: str = CHAT,
        template: StoredTemplate | None = None,
        traces: Traces | None = None,
    ) -> None:
        from homa.files.digests import Digests  # with all that reads and writes files, which few clients need

        self._keys, self._batch_id, self.view, self._cap, self._kind = keys, batch_id, view, cap, kind
        self._defaults = {name: value for name, value in defaults.items() if value is not None}
        self._system = self._defaults.pop("system", None)
        self._stored, self._traces = LineTemplates(template), traces
        if template is not None and not template.system_varies:
            self._system = template.system
        self._around = self._plain_around()
        self._templates: dict[bytes, Template] = {}
        self._default: Template | None = None
        self._groups: dict[int, tuple[Template, Common, list[Entry]]] = {}
        self._jobs = self._bytes = 0
        self._prefixes = Prefixes()
        self._ids = Digests()
        #: Lines that wait for a template to be read; in their order, the first of them names it.
        self._held: list[BatchRequest] = []
        #: Lines at the beginning that are known by their number.
        self._numbered = 0
        #: Media that the lines gathered refer to.
        self.uploads = uploads
        #: Lines so far.
        self.lines = 0
        #: Targets of the templates made so far.
        self.targets: set[str] = set()

    def add(self, request: BatchRequest) -> bool:
        """Takes a line; true when the chunk should be sent.

        Raises:
            InvalidRequest, BudgetExceeded: the line that is wrong is named by its number (from 0) and custom_id.
        """
        if self._held:
            self._held.append(request)
            return True
        try:
            self._take(request)
        except TemplateNotRead:
            self._held.append(request)
            return True
        except (InvalidRequest, BudgetExceeded) as error:
            raise self._named(request, error) from error
        self.lines += 1
        return self._is_full()

    @property
    def wanted(self) -> str | None:
        """The name of a template that is to be read before lines that wait for it are taken."""
        return None if not self._held else str(line_options(self._held[0])["template"])

    def know(self, name: str, template: StoredTemplate) -> None:
        """A template that lines name so: takes those that wait for it; raises as `add`."""
        self._stored.know(name, template)
        held, self._held = self._held, []
        for request in held:
            self.add(request)

    def refuse_held(self, error: InvalidRequest) -> HomaError:
        """The error of a template that there is not, with its line's name; the lines that wait are dropped."""
        held, self._held = self._held, []
        return self._named(held[0], error)

    def _named(self, request: BatchRequest, error: HomaError) -> HomaError:
        custom_id = request.get("custom_id") if isinstance(request, Mapping) else None
        name = f"request {self.lines}" + (f" ({custom_id!r:.80})" if custom_id else "")
        return type(error)(f"{name}: {error}")

    def _is_full(self) -> bool:
        return self._jobs >= CHUNK_JOBS or self._bytes >= CHUNK_BYTES or self.uploads.bytes >= UPLOAD_BYTES

    def add_prompt(self, prompt: str, custom_id: str, key: str = "") -> bool:
        """Takes a line that is nothing but a prompt, under a custom_id that no other line has; otherwise as `add`.

        Args:
            key: idempotency key and digest, `key digest`; a job that has it already stands for the line's.

        Raises:
            InvalidRequest, BudgetExceeded: what is wrong, without the line's name.
        """
        self._put(self._default_template(), self._prepared(prompt), custom_id, key=key)
        self.lines += 1
        return self._is_full()

    def add_texts(self, texts: Sequence[str]) -> bool:
        """Takes a line that embeds these texts; otherwise as `add_prompt`."""
        prepared = Prepared(to_json(texts, "texts"), [], inputs=texts)
        self._put(self._default_template(), prepared, str(self.lines))
        self.lines += 1
        return self._is_full()

    def check(self, request: BatchRequest, number: int) -> None:
        """Raises, unnamed, what `add` would of a request of this number, and gathers nothing."""
        self.lines = number
        self._take(request)
        self._groups, self._jobs, self._bytes = {}, 0, 0

    def check_defaults(self) -> None:
        """Raises InvalidRequest or UnknownModel where the options that lines share are wrong by themselves."""
        self._default_template()

    def ops(self) -> list[tuple[Op[Accepted], list[Entry]]]:
        """What sends the lines gathered, each with its jobs; the next chunk is empty."""
        self._prefixes.mark()
        ops = []
        for template, common, entries in self._groups.values():
            beginnings = template.beginnings(self._around[0])
            for first in range(0, len(entries), SCRIPT_JOBS):
                some = entries[first : first + SCRIPT_JOBS]
                ops.append((submit(self._keys, common, some, beginnings), some))
        self._groups, self._jobs, self._bytes = {}, 0, 0
        return ops

    def _take(self, request: BatchRequest) -> None:
        if isinstance(request, str) and self._stored.shared is None:
            self._put(self._default_template(), self._prepared(request), self._number())
            return
        line, stored = self._filled(line_options(request))
        custom_id = line.get("custom_id")
        custom_id = self._number() if custom_id is None else self._own_id(custom_id)
        own = {name: value for name, value in line.items() if name not in _PLAIN}
        metadata = line.get("metadata")
        carried = None if metadata is None else check_metadata("metadata", metadata)
        prompt, messages = line.get("prompt"), line.get("messages")
        if own:
            system = own.pop("system", self._system)
            images, files = own.pop("images", None), own.pop("files", None)
            built = build_messages(prompt, messages, system, images, files)
            prepared = Prepared.of(built, names_of_media(built, images, files))
        elif messages is None and prompt is not None:
            prepared = self._prepared(prompt)
        else:
            prepared = Prepared.of(build_messages(prompt, messages, self._system))
        shares = not own and stored is self._stored.shared
        self._put(self._default_template() if shares else self._template(own, stored), prepared, custom_id, carried)

    def _filled(self, line: Mapping[str, Any]) -> tuple[Mapping[str, Any], StoredTemplate | None]:
        """A line with its prompt, and the template that it gives values to, where it does."""
        stored = self._stored.of(line)
        if stored is None:
            return line, None
        made = with_prompt(line, stored)
        # One that is the same in all lines is encoded once.
        is_same = stored is self._stored.shared and not stored.system_varies
        return {k: value for k, value in made.items() if k != "system"} if is_same else made, stored

    def _number(self) -> str:
        """The custom_id of a line that names none; numbers before the first named line need not be kept."""
        number = str(self.lines)
        if not self._ids:
            self._numbered = self.lines + 1
        elif len(self._ids) < _MOST_IDS and not self._ids.add(number):
            raise InvalidRequest(
                f"it has no custom_id, and {number!r}, the number that stands for it, is that of another request of "
                "this batch: expected a custom_id for each or for none"
            )
        return number

    def _own_id(self, value: object) -> str:
        custom_id = check_custom_id("custom_id", value)
        number = int(custom_id) if custom_id.isascii() and custom_id.isdigit() and len(custom_id) < 10 else -1
        is_number = str(number) == custom_id and number < self._numbered
        if is_number or (len(self._ids) < _MOST_IDS and not self._ids.add(custom_id)):
            raise InvalidRequest("custom_id is that of another request of this batch: results could not be told apart")
        return custom_id

    def _prepared(self, prompt: str) -> Prepared:
        """A bare prompt: its JSON is put between parts that are encoded once."""
        before, after, messages = self._around
        encoded = to_json(check_prompt(prompt), "prompt")
        return Prepared(before + encoded + after, [*messages, {"role": "user", "content": prompt}])

    def _plain_around(self) -> tuple[bytes, bytes, Sequence[Mapping[str, Any]]]:
        messages = build_messages("-", None, self._system)[:-1]
        before = b"[" + b"".join(orjson.dumps(message) + b"," for message in messages) + b'{"role":"user","content":'
        return before, b"}]", messages

    def _put(
        self, template: Template, prepared: Prepared, custom_id: str, metadata: str | None = None, *, key: str = ""
    ) -> None:
        template, skipped = template.fit(prepared)
        if skipped:
            self.targets.update(template.targets)
        job_id = batch_job_id(self._batch_id, self.lines)
        prepared = self.uploads.add(job_id, prepared)
        entry = template.entry(job_id, prepared, custom_id=custom_id, key=key, skipped=skipped, metadata=metadata)
        if entry.bound is None:
            template.check_bounded(prepared, in_batch=self._cap is not None)
        if self._cap is not None or template.options.job_budget is not None:
            check_affordable(template, entry.bound, template.options.job_budget, self._cap)
        common = template.common_for(prepared)
        # Jobs that may be answered from the cache have common fields of their own: the key is one of them.
        group = self._groups.get(id(common))
        if group is None:
            group = self._groups[id(common)] = (template, common, [])
        group[2].append(entry if self._traces is None else traced_entry(self._traces, common, entry))
        if template.caches:
            self._prefixes.note(template, prepared, group[2])
        self._jobs += 1
        self._bytes += len(entry.request)

    def _default_template(self) -> Template:
        if self._default is None:
            self._default = self._made({}, self._stored.shared)
        return self._default

    def _template(self, own: Mapping[str, Any], stored: StoredTemplate | None) -> Template:
        try:
            name = orjson.dumps([own, stored.ref if stored else ""], option=orjson.OPT_SORT_KEYS)
        except TypeError:  # a schema that is a class, a time: made anew for each line
            return self._made(own, stored)
        template = self._templates.get(name)
        if template is None:
            if len(self._templates) >= _MOST_TEMPLATES:
                self._templates.clear()
            template = self._templates[name] = self._made(own, stored)
        return template

    def _made(self, own: Mapping[str, Any], stored: StoredTemplate | None) -> Template:
        if "key" in own or "key" in self._defaults:
            raise InvalidRequest("key has no place in a batch: its lines are known by batch and number")
        said = {**self._defaults, **{name: value for name, value in own.items() if value is not None}}
        options = check_options(said, self._kind)
        if stored is not None:
            options = options.of_template(stored.ref)
        if options.at_ms is not None:
            raise InvalidRequest("at has no place in a batch: expected delay_s")
        template = Template(self.view, options, self._batch_id)
        if self._kind == EMBEDDING and len(template.hops) > 1:
            raise InvalidRequest(
                f"so many texts are embedded by several jobs, and {template.targets[1]} stands behind "
                f"{template.targets[0]}: expected one model, since vectors of two do not mix"
            )
        self.targets.update(template.targets)
        return template
