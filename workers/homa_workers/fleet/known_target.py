"""What a worker knows of one target as the fleet's settings stand: looked up once, not for each call."""

from __future__ import annotations

from dataclasses import dataclass, replace

from homa_shared.calls.openai_apis import by_own_api, has_fees
from homa_shared.calls.reply import CHAT_API, RESPONSES_API, Call, Completion
from homa_shared.kinds.parameter_rules import Family, fits, fitted
from homa_shared.kinds.profile import KindProfile
from homa_shared.model.targets import Target
from homa_shared.settings.fleet import Fleet


@dataclass(frozen=True, slots=True)
class KnownTarget:
    """A target, with what its kind and the name of its model tell."""

    target: Target
    profile: KindProfile
    #: What its model takes of a request's parameters.
    family: Family
    #: Whether nobody described what its bill has beside tokens, so that its replies are looked through for it.
    has_unknown_bill: bool

    @classmethod
    def of(cls, fleet: Fleet, name: str) -> KnownTarget:
        """What the fleet's settings tell of a target.

        Raises:
            ConfigError: the kind's package is installed and brings no profile that can be loaded.
            UnknownModel: the name is not that of a target.
        """
        target = Target.parse(name)
        profile = fleet.profile(target)
        return cls(target, profile, profile.family(target.model), profile.billing.fees is None)

    def for_api(self, call: Call) -> Call:
        """A call as the provider can be asked: by OpenAI's Responses API only where it has one."""
        return call if call.api == CHAT_API or self.profile.responses_api else by_own_api(call)

    def fitted(self, call: Call) -> tuple[Call, tuple[str, ...]]:
        """A call as the model can be asked, and what was changed about its parameters, for people.

        It goes by OpenAI's Responses API where its model does in no other way what is asked for.
        """
        family, params = self.family, call.params
        notes: tuple[str, ...] = ()
        if not fits(family, params):
            params, notes = fitted(family, self.target.model, params)
            call = replace(call, params=params)
        if self.profile.responses_api and family.by_responses is not None and family.by_responses(params):
            call = replace(call, api=RESPONSES_API)
        return call, notes

    def has_fees(self, completion: Completion) -> bool:
        """Whether a reply shows what has a price of its own, where its adapter does not tell."""
        return self.has_unknown_bill and has_fees(completion.body)
