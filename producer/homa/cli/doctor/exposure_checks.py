"""What `homa doctor` finds open: a store that others on the network can read, files of keys that others here can."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from homa.cli.doctor.check import Check
from homa_shared.store.address import StoreAddress
from homa_shared.store.safety_checks import Level

if TYPE_CHECKING:
    from homa_shared.settings.model import Settings

#: Names by which a machine calls itself.
_HERE = frozenset({"localhost", "::1", "[::1]"})
#: Rights of everybody on this machine.
_OTHERS = stat.S_IROTH | stat.S_IWOTH
#: Settings that a file holds as they are.
_SECRETS = ("api_key", "redis_url", "deliver_secret", "encryption_keys", "sentry_dsn", "password")


def store_exposure(address: StoreAddress) -> Iterator[Check]:
    """How the store is reached: prompts and replies go over this connection, and lie behind it."""
    if address.scheme == "unix" or all(_is_here(host) for host, _ in address.hosts):
        yield Check(Level.OK, "transport", "this machine alone")
        return
    if address.is_tls:
        yield _checked_certificate(address)
    else:
        tls = "rediss://" if address.service is None else "rediss+sentinel://"
        what = f"prompts and replies cross the network as they are: use {tls} (docs/security.md)"
        yield Check(Level.WARNING, "transport", "not encrypted", what)
    if not address.has_credentials and "ssl_certfile" not in address.options:
        what = "whoever reaches it can read and change everything: give it an ACL user, and put it in HOMA_REDIS_URL"
        yield Check(Level.WARNING, "access to the store", "neither a user nor a password is sent", what)


def file_exposure(settings: Settings, address: StoreAddress | None) -> Iterator[Check]:
    """Files with keys or passwords that everybody on this machine may read."""
    for name, path in _files(settings, address):
        mode = _mode(path)
        if mode is not None and mode & _OTHERS:
            what = f"everybody on this machine may read or change it: `chmod 600 {path}`"
            yield Check(Level.WARNING, name, f"{path} has mode {stat.S_IMODE(mode):04o}", what)


def _checked_certificate(address: StoreAddress) -> Check:
    if address.options.get("ssl_cert_reqs", "required") == "required":
        return Check(Level.OK, "transport", "TLS, and the store's certificate is checked")
    what = "anybody may pose as the store: leave ssl_cert_reqs out, and name the authority by ssl_ca_certs"
    return Check(Level.WARNING, "transport", "TLS, and the store's certificate is not checked", what)


def _files(settings: Settings, address: StoreAddress | None) -> Iterator[tuple[str, Path]]:
    for name, provider in sorted(settings.providers.items()):
        if provider.api_key_file is not None:
            yield f"key file of {name}", provider.api_key_file
    if settings.encryption_keys_file is not None:
        yield "keys of encryption", settings.encryption_keys_file
    if address is not None and (key := address.options.get("ssl_keyfile")):
        yield "TLS key", Path(key)
    config = settings.config_file
    if config is not None and _holds_secrets(config):
        yield "settings file with a key", config


def _holds_secrets(config: Path) -> bool:
    try:
        lines = config.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError):
        return False
    return any(_is_secret_line(line) for line in lines)


def _is_secret_line(line: str) -> bool:
    # Secrets of tenants and endpoints stand under names of their own.
    name = line.partition("=")[0].strip().rpartition(".")[2]
    return '"' in line and (name in _SECRETS or '"whsec_' in line)


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except OSError:
        return None


def _is_here(host: str) -> bool:
    return host in _HERE or host.startswith("127.")
