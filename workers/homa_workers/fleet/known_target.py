"""What a worker knows of one target as the fleet's settings stand: looked up once, not for each call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from homa_shared.calls.account_params import with_defaults
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
    #: Parameters that the account's settings add to each call which does not set them.
    defaults: Mapping[str, Any]
    #: Those of them that the fleet's settings tell: a client by these settings reckons with them.
    published: Mapping[str, Any]
    #: Whether nobody described what its bill has beside tokens, so that its replies are looked through for it.
    has_unknown_bill: bool

    @classmethod
    def of(cls, fleet: Fleet, name: str, defaults: Mapping[str, Any] = MappingProxyType({})) -> KnownTarget:
        """What the fleet's settings tell of a target.

        Args:
            defaults: parameters that the account's settings add to each call which does not set them.

        Raises:
            ConfigError: the kind's package is installed and brings no profile that can be loaded.
            UnknownModel: the name is not that of a target.
        """
        target = Target.parse(name)
        profile = fleet.profile(target)
        provider = fleet.providers.get(target.provider)
        published = provider.params if provider is not None else {}
        return cls(target, profile, fleet.family(target), defaults, published, profile.billing.fees is None)

    @property
    def may_learn(self) -> bool:
        """Whether neither its name nor an alias tells its model, and a reply may."""
        return self.family is self.profile.others and bool(self.profile.families)

    def served_by(self, model: str) -> KnownTarget:
        """The same by the name that a reply gives its model."""
        return replace(self, family=self.profile.family(model))

    def for_api(self, call: Call) -> Call:
        """A call as the provider can be asked: by OpenAI's Responses API only where it has one."""
        return call if call.api == CHAT_API or self.profile.responses_api else by_own_api(call)

    def as_reckoned(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parameters of a request as a client reckoned with them that knew the same settings."""
        return with_defaults(params, self.published) if self.published else params

    def fitted(self, call: Call) -> tuple[Call, tuple[str, ...]]:
        """A call as the model can be asked, and what was changed about its parameters, for people.

        It has the account's parameters where it leaves them open, so that they are fitted and reckoned like its own. It
        goes by OpenAI's Responses API where its model does in no other way what is asked for.
        """
        family = self.family
        if self.defaults:
            call = replace(call, params=with_defaults(call.params, self.defaults))
        params = call.params
        notes: tuple[str, ...] = ()
        if not fits(family, params):
            params, notes = fitted(family, self.target.model, params)
            # What the account's settings say and this model does not take must not be added again.
            params |= dict.fromkeys(self.defaults.keys() - params.keys())
            call = replace(call, params=params)
        if self.profile.responses_api and family.by_responses is not None and family.by_responses(params):
            call = replace(call, api=RESPONSES_API)
        return call, notes

    def has_fees(self, completion: Completion) -> bool:
        """Whether a reply shows what has a price of its own, where its adapter does not tell."""
        return self.has_unknown_bill and has_fees(completion.body)
