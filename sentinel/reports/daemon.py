"""The process that answers: which replica it is, whether it leads, and what keeps it from acting."""

from datetime import datetime

from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class DaemonReport:
    """What heads every page.

    `leads`: this replica judges, so that what it shows is as new as the last measurement; another one shows what the
    records have, which are saved once a minute at least. `remarks` are sentences on what is not as usual (a freeze).
    """

    replica: str
    version: str
    cluster: str
    leads: bool
    mode: str
    now: datetime
    remarks: tuple[str, ...]
