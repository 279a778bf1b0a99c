"""Options of jobs as Homa's own API takes them: all of the client's, but for what is not a caller's to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa.gateway.access.principal import Principal
from homa.gateway.errors import ApiError
from homa.submit.attachments import refuse_own_files
from homa.submit.job_options import known_names
from homa.submit.options import spread
from homa_shared.model.errors import InvalidRequest
from homa_shared.store.gateway_keys import Role

#: Options that say whose job it is, or run code of the fleet's: not for a tenant's key.
_OF_OPERATORS = ("tenant", "run_tools")
_OPERATORS = frozenset({Role.OPERATOR, Role.ADMIN})


def own_options(principal: Principal, said: Mapping[str, Any], what: str = "a job") -> dict[str, Any]:
    """Options that a caller may give, with its tenant.

    Args:
        what: has them, for messages.

    Raises:
        InvalidRequest: one is unknown, or names a file of this machine.
        ApiError: one is not for the caller.
    """
    for name in said:
        if name not in known_names():
            raise InvalidRequest(f"{name} is no option of {what}: a provider's own go into provider_options")
        if name in _OF_OPERATORS and principal.role not in _OPERATORS:
            raise ApiError(403, f"{name} is not for a key of role {principal.role}", "role_not_allowed", name)
    if isinstance(said.get("provider_options"), Mapping) and said["provider_options"].keys() & set(_OF_OPERATORS):
        raise InvalidRequest("provider_options has Homa's own options: expected a provider's alone")
    refuse_own_files(spread(said), what)
    return {"tenant": principal.tenant or None, **said}
