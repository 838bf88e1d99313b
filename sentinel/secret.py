"""Secrets as they are now: those in files are read again when the files change, as Kubernetes rotates them."""

import logging  # noqa: TID251 - a tool of the adapters, outside the pure core
import threading
from collections.abc import Callable
from dataclasses import field
from pathlib import Path

from sentinel.values import dataclass

_log = logging.getLogger(__name__)

Secret = Callable[[], str]
"""Gives the secret. May block for a look at a file; it raises nothing."""


def fixed(text: str) -> Secret:
    """A secret that stays as it is."""
    return lambda: text


@dataclass(slots=True)
class SecretFile:
    """The text in a file, which was read once already. A file that cannot be read leaves the former text in force."""

    path: Path
    text: str
    _stamp: tuple[int, int, int] = (0, 0, 0)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> str:
        """The text of the newest file that could be read."""
        with self._lock:
            try:
                found = self.path.stat()
                stamp = found.st_ino, found.st_mtime_ns, found.st_size
                if stamp != self._stamp:
                    self.text = self.path.read_text().strip() or self.text
                    self._stamp = stamp
            except (OSError, ValueError) as error:
                _log.warning("%s cannot be read (%s): the former secret stays in use", self.path, error)
        return self.text


def secret_of(text: str, file: Path | None) -> Secret:
    """The secret that was given as a text, or that was read from a file."""
    return SecretFile(file, text) if file is not None else fixed(text)
