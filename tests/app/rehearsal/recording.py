"""What Prometheus would have recorded of rollouts: kube-state-metrics' series and a service's own, as OpenMetrics."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

SCRAPE = 15
"""Seconds between scrapes."""

GAP = timedelta(seconds=45)
"""How long after one another the pods of a rollout are replaced."""

NAMESPACE, NAME = "production", "shop"


@dataclass(frozen=True)
class Release:
    """One revision: when it was rolled out, and how its pods behave."""

    revision: str
    at: datetime
    error_rate: float = 0.0
    seconds: float = 0.1
    crashing: bool = False
    alert: str = ""


@dataclass
class Recording:
    """The series of one Deployment that goes through releases; each rollout replaces one pod after the other.

    `kube`: kube-state-metrics is there.
    """

    releases: list[Release]
    until: datetime
    pods: int = 4
    requests_per_second: float = 20.0
    namespace: str = NAMESPACE
    name: str = NAME
    kube: bool = True
    lines: list[str] = field(default_factory=list)

    def openmetrics(self) -> str:
        """All samples, series by series."""
        self.lines = []
        for index, release in enumerate(self.releases):
            later = self.releases[index + 1].at if index + 1 < len(self.releases) else None
            self._replicaset(release, later)
            for number in range(self.pods):
                self._pod(release, later, number)
            if release.alert:
                self._alert(release, later or self.until)
        self._series(
            "kube_deployment_spec_replicas", self._own(), self.releases[0].at, self.until, lambda _: self.pods
        )
        labels = self._own() | {"label_app_kubernetes_io_name": self.name}
        self._series("kube_deployment_labels", labels, self.releases[0].at, self.until, lambda _: 1)
        return "\n".join(self.lines) + "\n"

    def _own(self) -> dict[str, str]:
        return {"namespace": self.namespace, "deployment": self.name}

    def _alert(self, release: Release, until: datetime) -> None:
        """Pending two minutes after the release, firing a minute later."""
        labels = {"alertname": release.alert, "severity": "critical", **self._own()}
        pending, firing = release.at + timedelta(minutes=2), release.at + timedelta(minutes=3)
        self._series("ALERTS", labels | {"alertstate": "pending"}, pending, firing, lambda _: 1)
        self._series("ALERTS", labels | {"alertstate": "firing"}, firing, until, lambda _: 1)

    def _replicaset(self, release: Release, later: datetime | None) -> None:
        name = f"{self.name}-{release.revision}"
        labels = {"namespace": self.namespace, "replicaset": name}
        end = later + GAP * self.pods if later else self.until
        owner = labels | {"owner_kind": "Deployment", "owner_name": self.name}
        again = [
            other for other in self.releases if other.revision == release.revision and other.at > release.at
        ]
        known = min((other.at for other in again), default=self.until)
        first = min(other.at for other in self.releases if other.revision == release.revision)
        self._series("kube_replicaset_owner", owner, release.at, known, lambda _: 1)
        self._series("kube_replicaset_created", labels, release.at, known, lambda _: first.timestamp())
        self._series(
            "kube_replicaset_spec_replicas",
            labels,
            release.at,
            known,
            lambda at: self.pods if at < end else 0,
        )

    def _pod(self, release: Release, later: datetime | None, number: int) -> None:
        """One pod: the first begins with the release; ready after 15 s, unless it crashes."""
        begins = release.at + GAP * number
        ends = later + GAP * (number + 1) if later else self.until
        ready_at = begins + timedelta(seconds=15)
        mark = f"{release.at.timestamp():.0f}"[-4:]
        pod = f"{self.name}-{release.revision}-p{mark}{number}"
        labels = {"namespace": self.namespace, "pod": pod}
        owner = labels | {"owner_kind": "ReplicaSet", "owner_name": f"{self.name}-{release.revision}"}
        container = labels | {"container": "app"}
        ready = 0 if release.crashing else 1

        def put(name: str, extra: dict[str, str], value: Callable[[datetime], float]) -> None:
            self._series(name, labels | extra, begins, ends, value)

        self._series("kube_pod_owner", owner, begins, ends, lambda _: 1)
        put("kube_pod_info", {"node": f"node-{number % 2}", "uid": f"uid-{pod}"}, lambda _: 1)
        put("kube_pod_created", {}, lambda _: begins.timestamp())
        put("kube_pod_status_scheduled_time", {}, lambda _: begins.timestamp())
        put("kube_pod_status_phase", {"phase": "Running"}, lambda _: 1)
        put("kube_pod_status_ready", {"condition": "true"}, lambda at: ready if at >= ready_at else 0)
        image = {"container": "app", "image": f"shop:{release.revision}", "image_id": "sha256:1"}
        put("kube_pod_container_info", image, lambda _: 1)
        restarts = (
            (lambda at: min(5, (at - begins).total_seconds() // 30)) if release.crashing else (lambda _: 0)
        )
        self._series("kube_pod_container_status_restarts_total", container, begins, ends, restarts)
        if release.crashing:
            loop = {"container": "app", "reason": "CrashLoopBackOff"}
            self._series(
                "kube_pod_container_status_waiting_reason",
                labels | loop,
                begins + timedelta(seconds=60),
                ends,
                lambda _: 1,
            )
            return
        self._requests(release, labels, ready_at, ends)

    def _requests(self, release: Release, labels: dict[str, str], since: datetime, until: datetime) -> None:
        each = self.requests_per_second / self.pods

        def served(at: datetime) -> float:
            return round((at - since).total_seconds() * each)

        def failed(at: datetime) -> float:
            return round(served(at) * release.error_rate)

        self._series(
            "http_requests_total", labels | {"code": "200"}, since, until, lambda at: served(at) - failed(at)
        )
        if release.error_rate:
            self._series("http_requests_total", labels | {"code": "500"}, since, until, failed)

    def _series(
        self,
        name: str,
        labels: dict[str, str],
        since: datetime,
        until: datetime,
        value: Callable[[datetime], float],
    ) -> None:
        if name.startswith("kube_") and not self.kube:
            return
        text = ",".join(f'{key}="{inner}"' for key, inner in labels.items())
        job = ',job="kube-state-metrics"' if name.startswith("kube_") else ',job="shop"'
        self.lines += [
            f"{name}{{{text}{job}}} {value(at):.15g} {at.timestamp():.0f}" for at in _scrapes(since, until)
        ]


def _scrapes(since: datetime, until: datetime) -> Iterator[datetime]:
    """The scrape times after one time and before another."""
    first = -(-since.timestamp() // SCRAPE) * SCRAPE
    at = datetime.fromtimestamp(first, since.tzinfo)
    while at < until:
        yield at
        at += timedelta(seconds=SCRAPE)
