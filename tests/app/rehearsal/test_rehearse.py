"""Which policy judges a past rollout, by what little the series tell of the workload."""

from sentinel.app.rehearsal.rehearse import Rules, chosen, labels_of
from sentinel.domain.policy import Match, Operator, Policy, Requirement
from sentinel.domain.workload import Revision, Workload, WorkloadKey, WorkloadKind


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
