"""What is known of a kind of provider: one frozen record, whose defaults are those of a kind that nobody described.

Built-in kinds have theirs in `builtin/`, a file each; a kind of another package brings its own (see `registry`). A
profile of a name and an adapter alone will do: each further field overrides one default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from homa_shared.kinds.billing import Billing as Billing
from homa_shared.kinds.features import Feature
from homa_shared.kinds.model_families import only_embeds, reads_text_only
from homa_shared.kinds.parameter_rules import ANY, Family, family_of
from homa_shared.kinds.reserve_policy import ReservePolicy
from homa_shared.kinds.retirement import NONE_ANNOUNCED, Retirements
from homa_shared.kinds.schema_limits import EVERY_SCHEMA, SchemaLimits

MB, MIB = 1000 * 1000, 1024 * 1024
#: Media types of images that nearly every model reads.
COMMON_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that the provider's own tools read, and what it says of an account."""

    #: Names that mean the same; the first one that is set counts.
    names: tuple[str, ...]
    #: The setting that it gives (`api_key`, `base_url`, `region`); empty: it only says that there are credentials.
    setting: str = ""
    #: Whether the account exists where it is set. An address or a region alone sets none up.
    makes_account: bool = False
    #: A setting without which it is of no use.
    needs: str = ""
    #: The setting's value from the variable's.
    value_of: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a kind is called, and what its calls carry."""

    #: Address where an account has no `base_url`; None where each has its own, or where only the SDK knows. A
    #: placeholder such as `{region}` stands for a setting of the account.
    endpoint: str | None = None
    #: Whether that address takes no call without a key.
    key_needed: bool = False
    #: Headers that carry the key, in lower case.
    key_headers: tuple[str, ...] = ()
    #: Headers of its replies that name a request to its support, by preference, in lower case.
    request_id_headers: tuple[str, ...] = ("x-request-id",)
    #: Whether an address may name a user: not where calls carry their key in the header that this would need.
    user_in_address: bool = True
    #: Variables of the provider's own tools.
    variables: tuple[Variable, ...] = ()

    def address(self, settings: Mapping[str, str | None]) -> str | None:
        """The endpoint of an account by its settings; None where it has none, or depends on one that is not set."""
        if self.endpoint is None or not all(settings.get(name) for name in _PLACEHOLDER.findall(self.endpoint)):
            return None
        return _PLACEHOLDER.sub(lambda match: str(settings[match[1]]), self.endpoint)


@dataclass(frozen=True, slots=True)
class Quota:
    """How a kind counts against its limits."""

    reserve: ReservePolicy = ReservePolicy.REQUESTS
    #: IANA zone whose midnight begins a new day of requests.
    day_zone: str = "UTC"
    #: Whether the rate is found from its refusals where no limit is configured.
    adaptive: bool = True


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """What a kind takes of media; None is not limited, or not documented."""

    #: Media types of images.
    images: frozenset[str] = COMMON_IMAGES | {"image/heic", "image/heif"}
    #: One image, bytes. Limits that providers state in base64 are given in bytes of the file (3/4).
    image_bytes: int | None = None
    #: Images in one request.
    image_count: int | None = None
    #: One PDF, bytes.
    pdf_bytes: int | None = None
    #: All media of one request, as base64, bytes.
    request_bytes: int | None = None
    #: Whether parts of other types go through as they are: the provider's own, or a compatible server's.
    foreign_parts: bool = True
    #: Whether a document may be named by a URL, or by the id of a file at the provider.
    documents_by_name: bool = True
    #: Where it is written.
    source: str = ""


def _says_nothing(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class ModelNames:
    """What the name of a model tells of it, beside what its kind offers; a rule that may be wrong says nothing."""

    reads_text_only: Callable[[str], bool] = reads_text_only
    only_embeds: Callable[[str], bool] = only_embeds
    #: Says nothing where models may have any name, as deployments and local models do.
    only_chats: Callable[[str], bool] = _says_nothing


@dataclass(frozen=True, slots=True)
class EmbeddingLimits:
    """What one embeddings call takes at most."""

    texts: int = 96
    #: Estimated tokens of all its texts.
    tokens: int = 300_000


@dataclass(frozen=True, slots=True)
class PromptCaching:
    """What a model's prompt cache asks for."""

    #: Shorter prefixes are not kept. Marking one all the same does no harm.
    least_tokens: int = 1024
    #: Whether writing to it costs more than plain input.
    writes_cost: bool = True


def _default_embedding_limits(_: str) -> EmbeddingLimits:
    return EmbeddingLimits()


def _no_prompt_cache(_: str) -> PromptCaching | None:
    return None


@dataclass(frozen=True, slots=True)
class KindProfile:
    """All that is known of a kind of provider, and where its adapter is."""

    #: As settings name it.
    name: str
    #: Makes its adapter from a `ProviderConfig`: "module:attribute", which only workers load, or the object itself.
    adapter: str | Callable[..., object]
    #: Names that `[providers.<name>.options]` may have; None: any.
    options: frozenset[str] | None = None
    #: Module of the SDK that its adapter goes through.
    sdk: str = ""
    #: Extra of homa-queue that installs it; empty: the kind's own package does.
    extra: str = ""
    #: "module:attribute" of its wire shapes in the simulator; empty: it is not simulated.
    simulator: str = ""
    connection: Connection = Connection()
    quota: Quota = Quota()
    #: What its API offers. A kind that nobody described may be able to do anything.
    features: frozenset[Feature] = frozenset(Feature)
    media: MediaLimits = MediaLimits()
    model_names: ModelNames = ModelNames()
    #: What its structured output expresses of a JSON schema.
    schemas: SchemaLimits = EVERY_SCHEMA
    #: What its models take of a request's parameters; the first that fits a model's name counts.
    families: tuple[Family, ...] = ()
    #: What a model takes whose name belongs to none of them.
    others: Family = ANY
    #: Whether it has OpenAI's Responses API beside Chat Completions.
    responses_api: bool = False
    #: What one embeddings call takes, by model.
    embedding_limits: Callable[[str], EmbeddingLimits] = _default_embedding_limits
    #: The prompt cache of a model; None where nothing is to be said to it.
    prompt_caching: Callable[[str], PromptCaching | None] = _no_prompt_cache
    billing: Billing = field(default_factory=Billing)
    #: What is announced of its models' ends, at its own servers.
    retirements: Retirements = NONE_ANNOUNCED
    #: The day on which this profile was last compared with its documents, ISO 8601; empty: nobody says.
    checked: str = ""

    def family(self, model: str) -> Family:
        """What a model takes of a request's parameters."""
        found = family_of(self.families, model)
        return self.others if found is ANY else found

    def service_tier(self, name: str) -> str:
        """A service tier's name on its wire."""
        return (self.billing.service_tiers or {}).get(name, name)


#: What is taken for granted of a kind that only a newer release or a package that is not installed here knows.
UNKNOWN_KIND = KindProfile("unknown", adapter="")
