"""Drives every rollout: reconciles workloads, and retries where that fails."""

import logging
import random

from sentinel.backoff import Backoff
from sentinel.domain.errors import ClusterError, ConflictError, NotLeadingError
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.metric_names import MetricName
from sentinel.ports import Clock, Telemetry
from sentinel.runtime.logfields import about_workload
from sentinel.runtime.queue import KeyedQueue
from sentinel.runtime.reconciling.driver import Driver

log = logging.getLogger(__name__)

FIRST_RETRY = 0.2
LONGEST_RETRY = 10.0
CONFLICT_PAUSE = 0.02
"""Someone else wrote the record; the watch brings theirs in about this many seconds."""
SWEEP_EVERY = 60.0


class ReconcileLoop:
    """Serves the queue of workloads to look at; every event adds the key of its workload to the queue."""

    def __init__(
        self,
        work: Driver,
        queue: KeyedQueue[WorkloadKey],
        clock: Clock,
        telemetry: Telemetry,
        rng: random.Random,
    ) -> None:
        self._work = work
        self._queue = queue
        self._clock = clock
        self._telemetry = telemetry
        self._backoff = Backoff(rng, first=FIRST_RETRY, last=LONGEST_RETRY)
        self._failures: dict[WorkloadKey, int] = {}
        self._swept_at = 0.0

    def forget(self) -> None:
        """Know nothing but what the watches show: another may have led meanwhile."""
        self._work.forget()
        self._failures.clear()

    async def reconcile(self, key: WorkloadKey) -> None:
        """One reconcile. Whatever goes wrong is named in the log and tried again; nothing is raised."""
        began = self._clock.monotonic()
        self._sweep(began)
        try:
            await self._work.run(key)
            self._failures.pop(key, None)
            outcome = "done"
        except ConflictError:
            self._queue.add_after(key, CONFLICT_PAUSE)
            outcome = "conflict"
        except NotLeadingError:
            outcome = "not leading"
        except ClusterError as error:
            self._try_again(key, error, getattr(error, "retry_after", None))
            outcome = "retried"
        except Exception as error:
            log.exception("the reconcile of %s failed", key, extra=about_workload(key))
            self._try_again(key, error, None)
            outcome = "error"
        self._telemetry.count(MetricName.RECONCILES_TOTAL, outcome=outcome)
        self._telemetry.observe(MetricName.RECONCILE_SECONDS, self._clock.monotonic() - began)

    def _sweep(self, now: float) -> None:
        """Once in a while forget what is over."""
        if now >= self._swept_at + SWEEP_EVERY:
            self._swept_at = now
            known = self._work.sweep()
            self._failures = {key: count for key, count in self._failures.items() if key in known}

    def _try_again(self, key: WorkloadKey, error: Exception, retry_after: float | None) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause = self._backoff.after(failures)
        log.warning("retry in %.1f s: %s", pause, error, extra=about_workload(key))
        self._queue.add_after(key, max(pause, retry_after or 0.0))
