"""Applies the kill switch: while someone has frozen the cluster, every policy only observes."""

import logging
from collections.abc import Callable

from sentinel.domain.coordination import Freeze
from sentinel.domain.errors import ClusterError, ForbiddenError
from sentinel.domain.notice import Bulletin, BulletinKind
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, FreezeStore, Telemetry

log = logging.getLogger(__name__)

LOOK_EVERY = 5.0
"""A freeze takes effect, and ends, at the latest so many seconds after it was set, or lifted."""


class FreezeSwitch:
    """Knows whether the cluster is frozen. What cannot be read leaves things as they were last seen.

    `tell` receives the notices; `changed` is called so that every workload is reconciled again.
    """

    def __init__(
        self,
        store: FreezeStore,
        clock: Clock,
        telemetry: Telemetry,
        tell: Callable[[Bulletin], None],
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._tell = tell
        self._freeze: Freeze | None = None
        self._changed = changed

    @property
    def frozen(self) -> bool:
        """Whether nothing may be touched."""
        return self._freeze is not None

    def remarks(self) -> tuple[str, ...]:
        """What to report of it in the sentinel's health; nothing while the sentinel may act."""
        return (
            (f"{self._freeze}: the sentinel changes nothing until `sentinel unfreeze`",)
            if self._freeze
            else ()
        )

    async def look(self) -> None:
        """See how it stands now.

        Raises ClusterError where that cannot be known; an account that may not read it cannot be frozen, and is warned.
        """
        try:
            seen = await self._store.read()
        except ForbiddenError as error:
            log.warning("`sentinel freeze` has no effect: %s", error)
            return
        before, self._freeze = self._freeze, seen
        self._telemetry.gauge(MetricName.FROZEN, 1 if seen else 0)
        if (before is None) != (seen is None):
            self._say(seen)
            self._changed()

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await self._clock.sleep(LOOK_EVERY)
            try:
                await self.look()
            except ClusterError as error:
                log.warning("the freeze cannot be read, its last known state stays in effect: %s", error)

    def _say(self, freeze: Freeze | None) -> None:
        if freeze is None:
            log.warning("unfrozen: the sentinel acts again")
            self._tell(
                Bulletin(BulletinKind.UNFROZEN, "The sentinel acts again: the freeze is lifted", good=True)
            )
            return
        log.warning("%s: the sentinel changes nothing until `sentinel unfreeze`", freeze)
        lines = (
            str(freeze),
            "Decisions are made and reported as in observe mode; `sentinel unfreeze` lifts the freeze.",
        )
        self._tell(
            Bulletin(BulletinKind.FROZEN, "The sentinel changes nothing: the cluster is frozen", lines)
        )
