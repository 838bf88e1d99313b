"""Builds what says which policy guards a workload, and whether it may act: rule files, registry and freeze."""

from sentinel.adapters.kubernetes.coordination.lease import own_namespace
from sentinel.adapters.kubernetes.custom.freezes import KubernetesFreezeStore
from sentinel.app.policy_objects import PolicyObjects
from sentinel.app.rulefiles import RuleFiles
from sentinel.app.wiring.base import Base, Tasks
from sentinel.app.wiring.people.telling import News
from sentinel.app.wiring.sources import Sources, options_of
from sentinel.domain.policy.policy import pairings_of
from sentinel.policies.inforce import PoliciesInForce
from sentinel.policies.source import FilePolicySource
from sentinel.runtime.freezing import FreezeSwitch
from sentinel.runtime.policy_registry import PolicyRegistry
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class PolicyParts:
    """The policies in force, the files and objects that they come from, and the freeze that has them only observe."""

    registry: PolicyRegistry
    rule_files: RuleFiles
    objects: PolicyObjects
    switch: FreezeSwitch
    tasks: Tasks


def policies_of(base: Base, sources: Sources, news: News) -> PolicyParts:
    """Read the rule files. Raises ConfigurationError for files that cannot be used."""
    rules = base.settings.rules
    options = options_of(base.settings, sources)
    files = FilePolicySource.open(rules.paths, options)
    policies = PoliciesInForce(files, options)
    switch = _freeze_switch(base, news)

    def pair() -> None:
        base.gateway.cluster.pair(pairings_of(policies.policies()))

    def taken(namespaces: frozenset[str]) -> None:
        pair()
        base.requeue(namespaces)

    pair()
    rule_files = RuleFiles(files, rules.paths, base.telemetry, base.clock, news.tell, taken=pair)
    objects = PolicyObjects(
        base.gateway.policies,
        policies,
        base.gateway.cluster.labels,
        base.clock,
        base.telemetry,
        leads=lambda namespace: base.leadership.left(namespace) > 0,
        tell=news.tell,
        taken=taken,
    )
    return PolicyParts(
        PolicyRegistry(policies, base.settings.mode, lambda: switch.frozen),
        rule_files,
        objects,
        switch,
        {
            "freeze": switch.run,
            "policy objects": objects.keep_watching,
            **({"rule files": rule_files.keep_watching} if rules.watch else {}),
        },
    )


def _freeze_switch(base: Base, news: News) -> FreezeSwitch:
    """The kill switch, beside the Lease that the leader holds or would hold."""
    leadership = base.settings.leadership
    store = KubernetesFreezeStore(
        base.gateway.client, leadership.namespace or own_namespace(), leadership.name
    )
    return FreezeSwitch(store, base.clock, base.telemetry, news.tell, base.requeue_all)
