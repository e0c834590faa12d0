"""API keys: from the environment or from a file that only its owner can read. They are never shown."""

from __future__ import annotations

import os
import re
import shlex
import stat
from pathlib import Path

import platformdirs
from pydantic import SecretStr

from nil_core.errors import ConfigError

REDACTED = "***"
_AROUND = (
    " \t\r\n\v\f\"'\u2018\u2019\u201c\u201d\xa0\u200b\ufeff"  # quotes and blanks: of env files, consoles, web pages
)
_PREFIX = re.compile(r"\A(bearer|key)\s+", re.IGNORECASE)  # of the header Authorization


def key_file(variable: str) -> Path:
    """The file that is read if the environment variable is not set: ``keys/VARIABLE`` in the config folder of nil."""
    return Path(platformdirs.user_config_dir("nil", appauthor=False)) / "keys" / variable


class Keys:
    """The keys of one generator; :meth:`redact` removes them from texts.

    Args:
        page: where a person creates such a key, for the hint.
    """

    def __init__(self, page: str) -> None:
        self._page = page
        self._secrets: list[SecretStr] = []

    def get(self, variable: str) -> SecretStr:
        """The key in an environment variable, or in the file of the same name.

        Raises:
            ConfigError: there is no key, other users may read the file, or its content is not a key.
        """
        path = key_file(variable)
        protect = f"chmod 600 {shlex.quote(str(path))}"
        if value := os.environ.get(variable):
            source = f"the environment variable {variable}"
        elif path.exists():
            value, source = _read(path), str(path)
        else:
            raise ConfigError(
                f"no key: {variable} is not set, and {path} does not exist",
                f"export {variable}=... (create one at {self._page}), or write it there and: {protect}",
            )
        value = _PREFIX.sub("", value.strip(_AROUND)).strip(_AROUND)
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise ConfigError(f"{source} holds no key: one word of ASCII characters is expected", f"see {self._page}")
        return self.add_secret(value)

    def add_secret(self, value: str) -> SecretStr:
        """Let :meth:`redact` remove this value, too."""
        secret = SecretStr(value)
        if secret not in self._secrets:
            self._secrets.append(secret)
        return secret

    def redact(self, text: str) -> str:
        """The text without the keys: some services repeat them in messages."""
        for secret in self._secrets:
            text = text.replace(secret.get_secret_value(), REDACTED)
        return text


def _read(path: Path) -> str:
    quoted = shlex.quote(str(path))
    try:
        if os.name == "posix" and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
            raise ConfigError(f"other users may read the key in {path} (mode {mode:o})", f"chmod 600 {quoted}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it holds no ASCII text"
        raise ConfigError(f"{path} cannot be read: {reason}", f"check with: ls -l {quoted}") from None
