"""Builds what proposes reverts in Git, where the settings name servers for it."""

from sentinel.adapters.forges.registry import ForgeKind, ForgeRegistry, ForgeServer
from sentinel.adapters.kubernetes.gitops.sources import KubernetesSources
from sentinel.app.wiring.base import Base
from sentinel.domain.policy.policy import Mode, UndoneGit
from sentinel.domain.record.record import Record
from sentinel.runtime.policy_registry import PolicyRegistry
from sentinel.runtime.reverts.queue import Reverts
from sentinel.secret import secret_of
from sentinel.settings import Settings


def reverts_of(base: Base, registry: PolicyRegistry) -> Reverts:
    """The queue of reverts."""
    forges = ForgeRegistry(servers_of(base.settings), base.clock.now)
    base.resources.push_async_callback(forges.close)

    def wanted(record: Record) -> bool:
        policy = registry.of(record)
        return (
            policy is not None
            and policy.undo.git is UndoneGit.PROPOSE
            and registry.mode_of(record) is Mode.ENFORCE
        )

    return Reverts(
        forges,
        KubernetesSources(base.gateway.client),
        base.gateway.records,
        wanted,
        base.leads,
        base.clock,
        base.telemetry,
        base.rng,
    )


def servers_of(settings: Settings) -> dict[str, ForgeServer]:
    """The servers by every host that names them."""
    revert = settings.gitops.revert
    servers: dict[str, ForgeServer] = {}
    for host, forge in revert.hosts.items():
        token = forge.token.get_secret_value() if forge.token is not None else ""
        server = ForgeServer(
            ForgeKind(str(revert.api_of(host))),
            revert.url_of(host),
            secret_of(token, forge.token_file),
            forge.repositories,
            revert.timeout,
        )
        servers |= dict.fromkeys((host, *forge.aliases), server)
    return servers
