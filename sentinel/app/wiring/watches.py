"""The gateway's watches as the daemon wants them."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from random import Random
from typing import TypeVar

from sentinel.adapters.kubernetes.gateway import KubernetesGateway
from sentinel.app.policy_objects import PolicyObjects
from sentinel.app.wiring.base import Base, lease_namespace
from sentinel.backoff import Backoff
from sentinel.domain.errors import ClusterError, ConfigurationError
from sentinel.ports import Clock
from sentinel.runtime.freezing import FreezeSwitch
from sentinel.settings import Settings

log = logging.getLogger(__name__)

SYNC_SECONDS = 60.0
FIRST_WAIT, LONGEST_WAIT = 1.0, 15.0
"""Seconds between two tries at a start of what an API server that is out of reach or overloaded does not answer."""

T = TypeVar("T")


class ClusterWatches:
    """Implements what `Daemon` is started on. Reports the rights that the account lacks, then watches.

    `lacking` finds a sentence for each thing that is missing.
    """

    def __init__(
        self,
        gateway: KubernetesGateway,
        lacking: Callable[[], Awaitable[tuple[str, ...]]],
        switch: FreezeSwitch,
        policies: PolicyObjects,
        clock: Clock,
        rng: Random,
    ) -> None:
        self._gateway = gateway
        self._lacking = lacking
        self._switch = switch
        self._policies = policies
        self._clock = clock
        self._backoff = Backoff(rng, first=FIRST_WAIT, last=LONGEST_WAIT)

    async def start(self) -> None:
        """Look at the account's rights and the freeze, then watch. Raises ConfigurationError, ClusterError.

        An API server that does not answer yet is waited for: it may be what is being repaired.
        """
        lacking = await self._persevere(self._lacking)
        if lacking:
            raise ConfigurationError("\n".join(lacking))
        await self._persevere(self._switch.look)  # before anything can be decided
        await self._gateway.start()

    async def wait_synced(self) -> None:
        """Wait until all caches are full, and what they show of policies is in force.

        Raises ClusterError for what does not go away by waiting, after `SYNC_SECONDS`.
        """
        await self._persevere(lambda: self._gateway.wait_synced(SYNC_SECONDS))
        await self._policies.catch_up()  # before anything is judged by a policy that is less specific

    async def _persevere(self, act: Callable[[], Awaitable[T]]) -> T:
        """Try until it succeeds, or fails in a way that no other try can change. Raises ClusterError."""
        failures = 0
        while True:
            try:
                return await act()
            except ClusterError as error:
                if not error.retryable:
                    raise
                failures += 1
                wait = self._backoff.after(failures)
                log.warning("cannot start yet, trying again in %.0f s: %s", wait, error)
                await self._clock.sleep(wait)

    def ages(self) -> Mapping[str, float]:
        """Seconds since each watch was last heard."""
        return {name: age for name, age in self._gateway.watch_ages().items() if age is not None}

    async def close(self) -> None:
        """Stop watching."""
        await self._gateway.close()


def watches_of(base: Base, switch: FreezeSwitch, policies: PolicyObjects) -> ClusterWatches:
    """The watches that the settings ask for."""
    settings, gateway = base.settings, base.gateway
    lacking = partial(
        gateway.preflight,
        lease_namespace(settings),
        sharded=settings.leadership.shards > 1,
        asking=settings.asks_for_people,
        jobs_in=job_namespaces(settings),
    )
    return ClusterWatches(gateway, lacking, switch, policies, base.clock, base.rng)


def job_namespaces(settings: Settings) -> tuple[str, ...] | None:
    """Where Jobs of gates may be run, `""` for everywhere; None where none may be."""
    if not settings.gates.jobs.enabled:
        return None
    return settings.gates.jobs.namespaces or settings.kubernetes.namespaces or ("",)
