"""Location of tables in the run file: a path, or a server whose password is kept separately."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import (
    ModelWrapValidatorHandler,
    PrivateAttr,
    SecretStr,
    field_validator,
    model_validator,
)

from omop_scorer.config.server_url import is_server, without_password
from omop_scorer.documents import Frozen, Place
from omop_scorer.errors import ConfigurationError
from omop_scorer.texts import secret_values

_LONGEST_PASSWORD = 100_000


class Location(Frozen):
    """A file, folder or server with tables. The URL never contains the password of the server."""

    url: Place
    password_file: Place | None = None
    _password: SecretStr | None = PrivateAttr(default=None)

    @model_validator(mode="wrap")
    @classmethod
    def _separate_password(cls, given: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Remove the password from the URL before a validation error can repeat it."""
        url = given.get("url") if isinstance(given, Mapping) else None
        if not isinstance(url, str) or not is_server(url):
            return validate(given)
        shown, password = without_password(url)
        location = validate({**given, "url": shown})
        if password is not None:
            secret_values.keep(password)
            location._password = SecretStr(password)
        return location

    @field_validator("url")
    @classmethod
    def _is_not_in_memory(cls, url: str) -> str:
        if url.startswith(":"):
            raise ValueError("give the path of a file or folder, or the URL of a server")
        return url

    @property
    def is_server(self) -> bool:
        """True if the URL is that of a server."""
        return is_server(self.url)

    @property
    def is_postgresql(self) -> bool:
        """True if the URL is that of a PostgreSQL server."""
        return self.url.startswith("postgresql://")

    @property
    def password(self) -> SecretStr | None:
        """The password from the password file, or else from the URL.

        Raises
        ------
        ConfigurationError
            The file cannot be read.
        """
        if self.password_file is None:
            return self._password
        try:
            with Path(self.password_file).open(encoding="utf-8", newline="") as file:
                text = file.read(_LONGEST_PASSWORD + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"password_file {self.password_file}: cannot be read ({type(error).__name__})"
            ) from None
        password = text.rstrip("\r\n")
        if len(text) > _LONGEST_PASSWORD:
            raise ConfigurationError(f"password_file {self.password_file}: too long for a password")
        if not password:
            raise ConfigurationError(f"password_file {self.password_file}: contains no password")
        secret_values.keep(password)
        return SecretStr(password)
