"""Builds what says which policy guards a workload, and whether it may act: rule files, registry and freeze."""

from dataclasses import dataclass

from sentinel.adapters.kubernetes.coordination.lease import own_namespace
from sentinel.adapters.kubernetes.custom.freezes import KubernetesFreezeStore
from sentinel.app.rulefiles import RuleFiles
from sentinel.app.wiring.base import Base, Tasks
from sentinel.app.wiring.people.telling import News
from sentinel.app.wiring.sources import Sources, options_of
from sentinel.domain.policy.policy import pairings_of
from sentinel.policies.source import FilePolicySource
from sentinel.runtime.freezing import FreezeSwitch
from sentinel.runtime.policy_registry import PolicyRegistry


@dataclass(frozen=True, slots=True)
class PolicyParts:
    """The policies in force, the files that they come from, and the freeze that has them only observe."""

    registry: PolicyRegistry
    rule_files: RuleFiles
    switch: FreezeSwitch
    tasks: Tasks


def policies_of(base: Base, sources: Sources, news: News) -> PolicyParts:
    """Read the rule files. Raises ConfigurationError for files that cannot be used."""
    rules = base.settings.rules
    policies = FilePolicySource.open(rules.paths, options_of(base.settings, sources))
    switch = _freeze_switch(base, news)

    def pair() -> None:
        base.gateway.cluster.pair(pairings_of(policies.policies()))

    pair()
    rule_files = RuleFiles(policies, rules.paths, base.telemetry, base.clock, news.tell, taken=pair)
    return PolicyParts(
        PolicyRegistry(policies, base.settings.mode, lambda: switch.frozen),
        rule_files,
        switch,
        {"freeze": switch.run, **({"rule files": rule_files.keep_watching} if rules.watch else {})},
    )


def _freeze_switch(base: Base, news: News) -> FreezeSwitch:
    """The kill switch, beside the Lease that the leader holds or would hold."""
    leadership = base.settings.leadership
    store = KubernetesFreezeStore(
        base.gateway.client, leadership.namespace or own_namespace(), leadership.name
    )
    return FreezeSwitch(store, base.clock, base.telemetry, news.tell, base.requeue_all)
