"""Where keys come from: the environment, or a file that only its owner can read. Nowhere else, and never shown."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import platformdirs
from pydantic import SecretStr

from nil_core.errors import ConfigError

HIDDEN = "***"


def key_file(variable: str) -> Path:
    """The file that is read where the environment variable is not set: ``keys/VARIABLE`` in nil's config folder."""
    return Path(platformdirs.user_config_dir("nil", appauthor=False)) / "keys" / variable


class Keys:
    """The keys that one generator uses, and how to keep them out of everything that is shown.

    Args:
        page: where a person makes such a key, for the hint.
    """

    def __init__(self, page: str) -> None:
        self._page = page
        self._seen: list[SecretStr] = []

    def get(self, variable: str) -> SecretStr:
        """The key that an environment variable, or the file of the same name, holds.

        Raises:
            ConfigError: there is none, others may read the file, or it holds no key.
        """
        path = key_file(variable)
        if value := os.environ.get(variable):
            source = f"the environment variable {variable}"
        elif path.exists():
            value, source = _read(path), str(path)
        else:
            raise ConfigError(
                f"no key: {variable} is not set, and {path} does not exist",
                f"export {variable}=... (made at {self._page}), or write it there and: chmod 600 {path}",
            )
        value = value.strip()
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise ConfigError(f"{source} holds no key: one word of ASCII characters is expected", f"see {self._page}")
        return self.hide(value)

    def hide(self, value: str) -> SecretStr:
        """Make a secret of a word, so that :meth:`redact` knows it."""
        secret = SecretStr(value)
        if secret not in self._seen:
            self._seen.append(secret)
        return secret

    def redact(self, text: str) -> str:
        """The text without the keys: services repeat them in what they say."""
        for secret in self._seen:
            text = text.replace(secret.get_secret_value(), HIDDEN)
        return text


def _read(path: Path) -> str:
    try:
        if os.name == "posix" and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
            raise ConfigError(f"others may read the key in {path} (mode {mode:o})", f"chmod 600 {path}")
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it holds no ASCII text"
        raise ConfigError(f"{path} cannot be read: {reason}", f"check with: ls -l {path}") from None
