"""Which policy judges a past rollout, by what little the series tell; and what a failing Prometheus comes to."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sentinel.adapters.prometheus.answers import InstantAnswer, Track
from sentinel.adapters.prometheus.source import PrometheusSource
from sentinel.app.rehearsal.history import MetricHistory
from sentinel.app.rehearsal.model import RehearsedVerdict
from sentinel.app.rehearsal.rehearse import Backstage, Rules, chosen, labels_of, rehearse
from sentinel.domain.errors import SourceError
from sentinel.domain.evidence import MissingReason
from sentinel.domain.policy.policy import Policy
from sentinel.domain.policy.selection import Match, Operator, Requirement
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.revision import Revision
from tests.app.rehearsal.results import rollout


def policy(name: str, **selector: str) -> Policy:
    """A policy with a label selector."""
    requirements = (
        Requirement(key.replace("__", "/"), Operator.IN, (value,)) for key, value in selector.items()
    )
    return Policy(name, "digest", Match(selector=tuple(requirements)))


def workload(**labels: str) -> Workload:
    """A workload with labels."""
    key = WorkloadKey(WorkloadKind.DEPLOYMENT, "shop", "web")
    return Workload(key, "uid", Revision("new1"), labels=labels)


def test_labels_are_found_by_what_kube_state_metrics_calls_them() -> None:
    """Slashes and dots become underscores, and capitals an underscore and a small letter."""
    recorded = {"label_app_kubernetes_io_name": "web", "label_my_team": "blue", "label_other": "x"}
    wanted = Policy(
        "p",
        "digest",
        Match(
            selector=(
                Requirement("app.kubernetes.io/name", Operator.IN, ("web",)),
                Requirement("myTeam", Operator.EXISTS),
                Requirement("absent", Operator.DOES_NOT_EXIST),
            )
        ),
    )
    assert labels_of(recorded, [wanted]) == {"app.kubernetes.io/name": "web", "myTeam": "blue"}


def test_the_most_specific_policy_judges() -> None:
    """As in the daemon."""
    rules = Rules((policy("any"), policy("web", app="web")))
    found, _ = chosen(rules, workload(app="web"))
    assert found is not None
    assert found.name == "web"


def test_no_policy_and_a_tie_are_said() -> None:
    """An unguarded workload is no failure, but the reader should know why."""
    assert chosen(Rules((policy("web", app="web"),)), workload())[0] is None
    assert "match equally well" in chosen(Rules((policy("a"), policy("b"))), workload())[1]


def test_a_policy_can_be_chosen_whatever_it_matches() -> None:
    """For recordings without labels."""
    forced = policy("web", app="web")
    assert chosen(Rules((forced,), forced), workload()) == (forced, "")


class Silent:
    """A Prometheus that has nothing, or does not answer."""

    def __init__(self, *, down: bool = False) -> None:
        self._down = down

    async def instant(self, query: str, at: datetime) -> InstantAnswer:
        return InstantAnswer(())

    async def range(self, query: str, since: datetime, until: datetime, step: timedelta) -> tuple[Track, ...]:
        return ()

    async def get(self, path: str, params: Mapping[str, str]) -> object:
        if self._down:
            raise SourceError("Prometheus is down.", reason=MissingReason.SOURCE_UNREACHABLE)
        return {"resultType": "matrix", "result": []}


def backstage(client: Silent) -> Backstage:
    """What answers a rehearsal."""
    return Backstage(MetricHistory(client), PrometheusSource(client), lambda text, values, scalar: True)


async def test_a_prometheus_that_does_not_answer_fails_the_one_rollout() -> None:
    """The others go on, and the report says why."""
    found = await rehearse(rollout(), Rules((policy("any"),)), backstage(Silent(down=True)))
    assert (found.verdict, found.problem) == (RehearsedVerdict.FAILED, "Prometheus is down.")


async def test_a_rollout_without_recorded_pods_cannot_be_rehearsed() -> None:
    """Nothing can be said of it, which is said."""
    found = await rehearse(rollout(), Rules((policy("any"),)), backstage(Silent()))
    assert found.verdict is RehearsedVerdict.FAILED
    assert "no pods of it were recorded" in found.problem
