"""The kill switch: a human has the whole cluster only watched."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Freeze:
    """Who froze, when and why. While it lasts everything is decided as in observe mode, and nothing is touched."""

    by: str
    since: datetime | None = None
    reason: str = ""

    def __str__(self) -> str:
        return f"frozen by {self.by or 'someone'}" + (f": {self.reason}" if self.reason else "")
