"""The keys of encryption that a process has, from its settings or from the file that these name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from homa_shared.encryption.keyring import Keyring, parse_keys
from homa_shared.model.errors import ConfigError

if TYPE_CHECKING:
    from homa_shared.settings.model import Settings

_KEYS, _FILE = "encryption_keys", "encryption_keys_file"
_VARIABLE = "HOMA_ENCRYPTION_KEYS"


def keyring_of(settings: Settings) -> Keyring | None:
    """The keys; None where the settings name none.

    Raises:
        ConfigError: both are set, the file cannot be read, or what stands there is no list of keys.
    """
    path = settings.encryption_keys_file
    if settings.encryption_keys is None:
        if path is None:
            return None
    elif path is not None:
        raise ConfigError(f"{_KEYS} and {_FILE} are both set: expected one of them")
    else:
        origin = settings.origin((_KEYS,))
        return Keyring(parse_keys(settings.encryption_keys.get_secret_value(), f"{_KEYS} ({origin})"))
    where = f"{_FILE} ({settings.origin((_FILE,))}), the file {path}"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"{where}, cannot be read ({said}): expected keys of encryption") from None
    return Keyring(parse_keys(text, where), path)


def keyring_given(said: str | None, known: Keyring | None) -> Keyring | None:
    """The keys of a program that names its store itself: those that it says, or has, else those of its environment.

    Raises:
        ConfigError: they are wrong.
    """
    if said is not None:
        return Keyring(parse_keys(said, _KEYS))
    if known is not None or not (os.environ.get(_VARIABLE) or os.environ.get(f"{_VARIABLE}_FILE")):
        return known
    from homa_shared.settings.model import load_settings

    return keyring_of(load_settings())
