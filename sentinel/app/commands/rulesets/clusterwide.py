"""`sentinel rules check --cluster`: the rules compared with the workloads that they guard and their metrics."""

from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from sentinel.app.commands.connection import connected
from sentinel.app.commands.flags import Place
from sentinel.app.commands.setup.checks import Check, fail, ok
from sentinel.app.commands.setup.evidencing import metric_checks
from sentinel.app.commands.setup.preflighting import strategy_checks
from sentinel.app.wiring.sources import Sources, metric_sources, options_of
from sentinel.domain.errors import ConfigurationError
from sentinel.domain.policy.policy import Policy
from sentinel.domain.workload.facts import Workload
from sentinel.engine.matching import Ambiguous, Guarded, guard_of
from sentinel.policies.load import PolicySet, describe, load
from sentinel.settings import Settings


async def cluster_checks(files: Sequence[Path], settings: Settings, at: Place) -> list[Check]:
    """The checks of each guarded workload in a namespace (or in all), named by namespace and name.

    Asks what the daemon would ask, one workload after the other. Raises ClusterError, and ConfigurationError for rule
    files that do not load under these settings.
    """
    async with connected(at) as cluster, AsyncExitStack() as resources:
        sources = metric_sources(settings, resources)
        loaded = load(files, options_of(settings, sources))
        if not isinstance(loaded, PolicySet):
            raise ConfigurationError(f"the rule files do not load under these settings:\n{describe(loaded)}")
        checks: list[Check] = []
        for workload in await cluster.reader.workloads(at.namespace, pods=True):
            found = await _of_workload(loaded.policies, workload, sources)
            checks += [
                replace(one, name=f"{workload.key.namespace}/{workload.key.name} {one.name}") for one in found
            ]
        return checks


async def _of_workload(policies: Iterable[Policy], workload: Workload, sources: Sources) -> list[Check]:
    guard = guard_of(policies, workload)
    if isinstance(guard, Ambiguous):
        return [fail("policy", str(guard), "make one of the policies more specific")]
    if not isinstance(guard, Guarded):
        return []
    policy = guard.policy
    return [
        ok("policy", f"{policy.name} guards this workload"),
        *strategy_checks(policy, workload),
        *await metric_checks(policy, workload, sources),
    ]
