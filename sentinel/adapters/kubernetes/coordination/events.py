"""Kubernetes Events on a workload: what `kubectl describe` shows. Best effort: the record is the history."""

import hashlib
import logging

from sentinel.adapters.kubernetes.api.client import MANAGER, ApiClient, Json, RequestTarget
from sentinel.adapters.kubernetes.api.raw import stamp
from sentinel.adapters.kubernetes.api.resources import EVENTS
from sentinel.bounded import BoundedDict
from sentinel.domain.errors import ClusterError, NotFoundError
from sentinel.domain.words import plain
from sentinel.domain.workload.facts import Workload
from sentinel.ports import Clock
from sentinel.values import dataclass

log = logging.getLogger(__name__)

EVENT_TIMEOUT = 5.0
_MESSAGE_LIMIT = 1024
_AGGREGATED_FOR = 600.0
_REMEMBERED = 1000


@dataclass(slots=True)
class _Written:
    """An Event that is in the cluster."""

    name: str
    count: int
    at: float


class EventRecorder:
    """Writes Events; the same Event within ten minutes increments the count of the first one instead."""

    def __init__(self, client: ApiClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._written: BoundedDict[str, _Written] = BoundedDict(_REMEMBERED)

    async def announce(self, workload: Workload, reason: str, message: str, *, warning: bool) -> None:
        """Write an Event on the workload; a failure is logged, nothing depends on it."""
        message = plain(message)  # `kubectl describe` writes it to a terminal
        message = message if len(message) <= _MESSAGE_LIMIT else message[: _MESSAGE_LIMIT - 1] + "…"
        try:
            await self._announce(workload, reason, message, "Warning" if warning else "Normal")
        except ClusterError as error:
            log.warning("an Event (%s) of %s was not written: %s", reason, workload.key, error)

    async def _announce(self, workload: Workload, reason: str, message: str, kind: str) -> None:
        digest = hashlib.sha256("\n".join((workload.uid, kind, reason, message)).encode()).hexdigest()
        known = self._written.get(digest)
        now = self._clock.monotonic()
        if known is not None and now - known.at < _AGGREGATED_FOR and await self._count_up(workload, known):
            known.at = now
            return
        name = f"{workload.key.name}.{digest[:10]}{int(self._clock.now().timestamp() * 1e6):x}"
        place = RequestTarget(EVENTS, workload.key.namespace)
        event = self._event(workload, name, reason, message, kind)
        await self._client.create(place, event, timeout=EVENT_TIMEOUT)
        self._written[digest] = _Written(name, 1, now)

    async def _count_up(self, workload: Workload, known: _Written) -> bool:
        """Whether the Event was still there to be counted up."""
        body: Json = {"count": known.count + 1, "lastTimestamp": self._stamp()}
        try:
            place = RequestTarget(EVENTS, workload.key.namespace, known.name)
            await self._client.merge_patch(place, body, timeout=EVENT_TIMEOUT)
        except NotFoundError:
            return False
        known.count += 1
        return True

    def _event(self, workload: Workload, name: str, reason: str, message: str, kind: str) -> Json:
        now, judged = self._stamp(), workload.parts[0]
        return {
            "apiVersion": EVENTS.api_version,
            "kind": "Event",
            "metadata": {"name": name, "namespace": workload.key.namespace},
            "involvedObject": {
                "apiVersion": judged.api_version,
                "kind": judged.kind,
                "namespace": judged.namespace,
                "name": judged.name,
                "uid": judged.uid,
            },
            "reason": reason,
            "message": message,
            "type": kind,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": MANAGER},
            "reportingComponent": MANAGER,
            "reportingInstance": MANAGER,
        }

    def _stamp(self) -> str:
        """An Event's times are whole seconds."""
        return stamp(self._clock.now().replace(microsecond=0)).replace(".000000", "")
