"""What workers deliver by: the mail server that they send through, and the secrets that sign webhooks."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from homa_shared.model.errors import ConfigError
from homa_shared.settings.sections import Section
from homa_shared.settings.values import LocalPath, listed


def signing_key(secret: str) -> bytes:
    """The key that a secret of Standard Webhooks stands for: base64 of 24 to 64 bytes, behind `whsec_` or alone.

    Raises:
        ValueError: it is none.
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError(
            "expected whsec_ and base64 of 24 to 64 random bytes: "
            "python -c 'import base64, os; print(\"whsec_\" + base64.b64encode(os.urandom(32)).decode())'"
        )
    return key


def _signing_secret(secret: SecretStr) -> SecretStr:
    signing_key(secret.get_secret_value())
    return secret


def _signed_for(name: str) -> str:
    if "://" not in name:
        return name
    try:
        url = urlsplit(name)
        if url.scheme.lower() in ("http", "https") and url.hostname and "@" not in url.netloc:
            return name
    except ValueError:
        pass
    raise ValueError("expected a tenant, or the beginning of a URL such as https://hooks.example.com/acme")


#: Signs webhooks (https://www.standardwebhooks.com).
SigningSecret = Annotated[SecretStr, AfterValidator(_signing_secret)]
#: Those that sign side by side, so that a receiver may change from one to the next: a list, or one text with commas.
SigningSecrets = Annotated[tuple[SigningSecret, ...], BeforeValidator(listed), Field(max_length=4)]
#: A tenant, or the beginning of the URLs of an endpoint.
SignedFor = Annotated[str, AfterValidator(_signed_for)]


class Mail(Section):
    """`[mail]`: the server through which workers send mail that a schedule delivers."""

    #: Its name or address; without one no mail is sent.
    host: str | None = None
    #: 587 for STARTTLS, 465 for TLS, 25 within one's own network.
    port: Annotated[int, Field(gt=0, lt=65536)] = 587
    #: How the connection is made safe.
    security: Literal["starttls", "tls", "none"] = "starttls"
    #: Whom mail comes from.
    sender: str | None = Field(default=None, alias="from")
    #: Who logs in; nobody where it is not set.
    user: str | None = None
    #: Stays with this process: it is never written to the store.
    password: SecretStr | None = None
    #: File whose one line is the password, instead of `password`.
    password_file: LocalPath | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("expected password or password_file, not both")
        if self.host is not None and self.sender is None:
            raise ValueError('expected from = "homa@example.com" beside host')
        if self.user is not None and self.password is None and self.password_file is None:
            raise ValueError("expected password or password_file beside user")
        return self

    def secret(self) -> str:
        """The password, read from its file if it has one; empty where none is set.

        Raises:
            ConfigError: the file cannot be read.
        """
        if self.password_file is None:
            return "" if self.password is None else self.password.get_secret_value()
        return _line_of(self.password_file)


def _line_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"password_file {path} cannot be read ({error}): expected one line") from error
