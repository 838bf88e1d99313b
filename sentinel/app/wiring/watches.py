"""The gateway's watches as the daemon wants them."""

from collections.abc import Mapping, Sequence

from sentinel.adapters.kubernetes.gateway import KubernetesGateway
from sentinel.app.policy_objects import PolicyObjects
from sentinel.app.wiring.base import Base, lease_namespace
from sentinel.domain.errors import ConfigurationError
from sentinel.runtime.freezing import FreezeSwitch
from sentinel.settings import Settings

SYNC_SECONDS = 60.0


class ClusterWatches:
    """Implements what `Daemon` is started on. Reports the rights that the account lacks, then watches."""

    def __init__(
        self,
        gateway: KubernetesGateway,
        lease_namespace: str | None,
        switch: FreezeSwitch,
        policies: PolicyObjects,
        *,
        sharded: bool,
        asking: bool,
        jobs_in: Sequence[str] | None,
    ) -> None:
        self._gateway = gateway
        self._sharded = sharded
        self._asking = asking
        self._jobs_in = jobs_in
        self._switch = switch
        self._policies = policies
        self._lease_namespace = lease_namespace

    async def start(self) -> None:
        """Look at the account's rights and the freeze, then watch. Raises ConfigurationError, ClusterError."""
        lacking = await self._gateway.preflight(
            self._lease_namespace, sharded=self._sharded, asking=self._asking, jobs_in=self._jobs_in
        )
        if lacking:
            raise ConfigurationError("\n".join(lacking))
        await self._switch.look()  # before anything can be decided
        await self._gateway.start()

    async def wait_synced(self) -> None:
        """Wait until all caches are full, and what they show of policies is in force.

        Raises ClusterError after `SYNC_SECONDS`.
        """
        await self._gateway.wait_synced(SYNC_SECONDS)
        await self._policies.catch_up()  # before anything is judged by a policy that is less specific

    def ages(self) -> Mapping[str, float]:
        """Seconds since each watch was last heard."""
        return {name: age for name, age in self._gateway.watch_ages().items() if age is not None}

    async def close(self) -> None:
        """Stop watching."""
        await self._gateway.close()


def watches_of(base: Base, switch: FreezeSwitch, policies: PolicyObjects) -> ClusterWatches:
    """The watches that the settings ask for."""
    return ClusterWatches(
        base.gateway,
        lease_namespace(base.settings),
        switch,
        policies,
        sharded=base.settings.leadership.shards > 1,
        asking=base.settings.asks_for_people,
        jobs_in=job_namespaces(base.settings),
    )


def job_namespaces(settings: Settings) -> tuple[str, ...] | None:
    """Where Jobs of gates may be run, `""` for everywhere; None where none may be."""
    if not settings.gates.jobs.enabled:
        return None
    return settings.gates.jobs.namespaces or settings.kubernetes.namespaces or ("",)
