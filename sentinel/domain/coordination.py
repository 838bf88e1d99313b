"""What the replicas and the people of a cluster agree on by leases: who acts, and whether anyone does."""

from datetime import datetime

from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class Freeze:
    """Who froze, when and why. While it lasts everything is decided as in observe mode, and nothing is touched."""

    by: str
    since: datetime | None = None
    reason: str = ""

    def __str__(self) -> str:
        return f"frozen by {self.by or 'someone'}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease at one moment.

    `holder` is empty once it was given up. `duration` is for how many seconds after its last change it may still be
    held. The two times are the holder's wall clock and are for people alone: nobody reckons with them. `version` is
    the resourceVersion for optimistic concurrency, empty while there is no such object.
    """

    holder: str
    duration: float
    transitions: int = 0
    acquired_at: datetime | None = None
    renewed_at: datetime | None = None
    version: str = ""
