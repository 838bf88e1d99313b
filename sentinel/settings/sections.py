"""The sections of the settings, as the file has them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)

from sentinel.domain.alert import ClusterIdentity
from sentinel.domain.gate import GateLimits
from sentinel.domain.workload.config import ConfigKind
from sentinel.domain.workload.kinds import GUARDED_KINDS, USUAL_KINDS, WorkloadKind
from sentinel.domain.workload.routes import RouteKind
from sentinel.policies.mistakes import InputError
from sentinel.policies.schema.fields import MetricLabel
from sentinel.reports.dora import DoraTargets
from sentinel.settings.addresses import BaseUrl, HostGlob
from sentinel.settings.forges import RevertSettings
from sentinel.settings.values import Seconds, Section, Share, TargetTime, defaults


def _guarded(kind: WorkloadKind) -> WorkloadKind:
    if kind not in GUARDED_KINDS:
        raise InputError(f"{kind}s cannot be guarded", f"write one of {', '.join(GUARDED_KINDS)}")
    return kind


class KubernetesSettings(Section):
    """How the cluster is reached: by a kubeconfig, else the pod's service account. No namespaces: all of them.

    `kinds` of workloads are watched, and requests are moved on kinds of `routes`; the account needs further rights
    for each. ConfigMaps that workloads name are watched, and Secrets where that is set: both by their metadata, and not
    at all without the right to it.
    """

    kubeconfig: Annotated[Path, AfterValidator(Path.expanduser)] | None = None
    context: str | None = None
    namespaces: tuple[str, ...] = ()
    kinds: Annotated[tuple[Annotated[WorkloadKind, AfterValidator(_guarded)], ...], Field(min_length=1)] = (
        USUAL_KINDS
    )
    routes: tuple[RouteKind, ...] = ()
    watch_config_maps: bool = True
    watch_secrets: bool = False

    @property
    def config_kinds(self) -> tuple[ConfigKind, ...]:
        """The kinds of objects that are followed where a workload names them."""
        watched = {ConfigKind.CONFIG_MAP: self.watch_config_maps, ConfigKind.SECRET: self.watch_secrets}
        return tuple(kind for kind, wanted in watched.items() if wanted)


class ClusterSettings(Section):
    """Which cluster this is: the value that its alerts, and no other's, have under a label.

    Alerts with another value are ignored; without a name every alert counts as this cluster's.
    """

    label: MetricLabel = "cluster"
    name: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _named(self) -> "ClusterSettings":
        if self.name is None and "label" in self.model_fields_set:
            raise InputError(
                "name is missing: a label alone does not say which cluster this is",
                "write the value that this cluster's alerts have under it",
                at=("name",),
            )
        return self

    @property
    def identity(self) -> ClusterIdentity | None:
        """What tells this cluster's alerts from others', where it is set."""
        return ClusterIdentity(self.label, self.name) if self.name is not None else None


class RulesSettings(Section):
    """Where the rule files are: files or folders. `watch` loads edits without a restart."""

    paths: Annotated[tuple[Path, ...], Field(min_length=1)] = (Path("rules"),)
    watch: bool = True


class GateJobsSettings(Section):
    """Whether gates may run Jobs; in which of the watched namespaces (none named: all); as which accounts (globs)."""

    enabled: bool = False
    namespaces: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ("default",)


class GatesSettings(Section):
    """Which hosts the webhooks of gates may be at, globs of their names (none: no webhook is called); and Jobs."""

    allowed_hosts: tuple[HostGlob, ...] = ()
    jobs: GateJobsSettings = defaults()

    @property
    def limits(self) -> GateLimits:
        """What rule files may ask for."""
        return GateLimits(
            self.allowed_hosts, self.jobs.enabled, self.jobs.namespaces, self.jobs.service_accounts
        )


class GitOpsSettings(Section):
    """Whether tools that deploy from Git are held, so that they do not take an undo back.

    `argocd` and `flux` need further rights. `reconcile`: Flux is asked to reconcile after a release, which needs the
    right to patch Kustomizations. `namespaces` are where the tools' objects are (none named: the watched ones).
    `hold_for`: a hold that lasts longer calls people, once. `revert`: where reverts are proposed.
    """

    argocd: bool = False
    flux: bool = False
    reconcile: bool = True
    namespaces: tuple[str, ...] = ()
    hold_for: Annotated[Seconds, Field(ge=60)] = 86_400.0
    revert: RevertSettings = defaults()


class EvaluationSettings(Section):
    """How often rules without an interval are evaluated, how many reconciles run at once, how often state is saved."""

    interval: Annotated[Seconds, Field(ge=1)] = 15.0
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 32
    checkpoint_interval: Annotated[Seconds, Field(ge=5)] = 60.0


class RecordsSettings(Section):
    """How many records are kept of each workload."""

    keep: Annotated[int, Field(ge=1, le=1000)] = 20


class DoraSettings(Section):
    """What a team aims at; times are in seconds, the rate is a share.

    `metrics`: `/metrics`, which needs no credentials, counts the deliveries of each workload by its name.
    """

    metrics: bool = False
    deployments_per_day: Annotated[float, Field(gt=0, le=1000)] = 1.0
    lead_time: TargetTime = 3600.0
    change_failure_rate: Share = 0.05
    time_to_restore: TargetTime = 900.0

    @property
    def targets(self) -> DoraTargets:
        """The targets as reports take them."""
        return DoraTargets(
            self.deployments_per_day, self.lead_time, self.change_failure_rate, self.time_to_restore
        )


class LeadershipSettings(Section):
    """How replicas agree on the one that acts: by a Lease. Disabled, this process acts without asking anyone.

    `lease_duration` is how long the cluster may be without a leader after one crashed. `namespace` is where the
    Lease is: the pod's own where it is unset. `shards`: namespaces are divided among so many leaders, each by its own
    Lease; for clusters that one replica cannot carry.
    """

    enabled: bool = True
    lease_duration: Annotated[Seconds, Field(ge=5, le=300)] = 15.0
    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")] = "rollback-sentinel"
    namespace: str | None = None
    shards: Annotated[int, Field(ge=1, le=16)] = 1


class TracingSettings(Section):
    """Where traces go, by OTLP over HTTP: a collector's address such as http://collector:4318. Unset: no traces."""

    endpoint: BaseUrl | None = None
    timeout: Seconds = 5.0


class LogSettings(Section):
    """Logs: `auto` is readable on a terminal and JSON elsewhere."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class BudgetSettings(Section):
    """At most `max` undos in the whole cluster within `per`; beyond it the sentinel only observes, and calls people."""

    max: Annotated[int, Field(ge=0, le=10_000)] = 10
    per: Seconds = 3600.0


class UndoSettings(Section):
    """Limits of all undos together."""

    budget: BudgetSettings = defaults()
