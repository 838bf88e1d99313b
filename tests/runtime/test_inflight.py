"""Which pods the rollouts in flight ask about together."""

from __future__ import annotations

from dataclasses import replace

from sentinel.domain.policy.rules import Arms, CountQuery, ErrorRateRule
from sentinel.domain.record.state import Phase
from sentinel.domain.workload.facts import Workload
from sentinel.runtime.evidence.inflight import MOST, PodsInFlight
from sentinel.runtime.evidence.ledger import MeasuredRollout
from tests.engine.builders import PLAIN, in_state
from tests.engine.snapshots import pod, workload

RULE = ErrorRateRule("errors", CountQuery("prometheus", "t", "e"), 0.05)


def asking(total: str, **query: object) -> ErrorRateRule:
    """A rule with another query."""
    return replace(RULE, query=replace(RULE.query, total=total, **query))  # type: ignore[arg-type]


def named(name: str, *pods: str, namespace: str = "shop") -> Workload:
    """A workload and its pods."""
    found = workload(*(pod(each) for each in pods))
    return replace(found, key=found.key._replace(name=name, namespace=namespace))


def noted(*workloads: Workload, rule: ErrorRateRule = RULE) -> PodsInFlight:
    """A rollout of each workload is in flight."""
    in_flight = PodsInFlight()
    for each in workloads:
        in_flight.note(rollout(each, rule))
    return in_flight


def rollout(of: Workload, rule: ErrorRateRule = RULE) -> MeasuredRollout:
    return MeasuredRollout(
        replace(in_state(Phase.BAKING), name=of.key.name), replace(PLAIN, rules=(rule,)), of
    )


WEB, CART = named("web", "web-1", "web-2"), named("cart", "cart-1")


def test_rollouts_with_one_query_ask_about_all_their_pods() -> None:
    """Each asks the same, in the same order, whoever asks first."""
    in_flight = noted(WEB, CART)

    assert in_flight.of(RULE, WEB) == in_flight.of(RULE, CART) == ("cart-1", "web-1", "web-2")


def test_rollouts_with_other_queries_are_not_asked_about() -> None:
    """Their pods are in other questions."""
    in_flight = noted(CART, rule=asking("others"))
    in_flight.note(rollout(WEB))

    assert in_flight.of(RULE, WEB) == ("web-1", "web-2")


def test_the_pods_of_one_namespace_are_asked_about_where_the_query_names_it() -> None:
    """Each namespace has a question of its own then."""
    rule = asking('t{namespace="$namespace"}')
    elsewhere = named("api", "api-1", namespace="bank")
    in_flight = noted(WEB, CART, elsewhere, rule=rule)

    assert in_flight.of(rule, WEB) == ("cart-1", "web-1", "web-2")
    assert in_flight.of(rule, elsewhere) == ("api-1",)


def test_a_query_about_one_workload_needs_no_names() -> None:
    """It finds no other pods, and new pods would change the question for nothing."""
    rule = asking('t{app="$workload"}')

    assert noted(WEB, rule=rule).of(rule, WEB) == ()


def test_other_sources_and_versions_are_asked_about_all() -> None:
    """Only series of Prometheus that name their pods can be asked for by them."""
    for rule in (asking("t", source="datadog"), asking("t", arms=Arms(version_label="version"))):
        assert noted(WEB, rule=rule).of(rule, WEB) == ()


def test_a_pod_that_is_new_is_asked_about_at_once() -> None:
    """Also before its rollout was judged again."""
    in_flight = noted(WEB, CART)
    in_flight.of(RULE, WEB)

    assert "web-3" in in_flight.of(RULE, named("web", "web-1", "web-2", "web-3"))


def test_pods_that_are_gone_stay_in_the_question_until_they_are_half() -> None:
    """Every change asks once more for what the last tick ended with."""
    many = named("many", *(f"many-{number}" for number in range(9)))
    in_flight = noted(WEB, CART, many)
    everything = in_flight.of(RULE, WEB)
    in_flight.drop("cart")

    assert in_flight.of(RULE, WEB) == everything
    in_flight.keep_only({"web"})
    assert in_flight.of(RULE, WEB) == ("web-1", "web-2")


def test_with_too_many_pods_all_are_asked_about() -> None:
    """The names would be longer than the answers."""
    most = named("most", *(f"most-{number}" for number in range(MOST)))

    assert len(noted(most).of(RULE, most)) == MOST
    assert noted(most, WEB).of(RULE, most) == ()
    assert noted(most, WEB).of(RULE, WEB) == ()


def test_pods_that_are_gone_are_not_waited_for() -> None:
    """They are asked about until half are gone, so that ticks go on; new samples of them do not come."""
    in_flight = noted(WEB, CART)
    before = in_flight.alive(RULE, CART)
    in_flight.note(rollout(named("web", "web-2")))

    assert before == ("cart-1", "web-1", "web-2")
    assert in_flight.of(RULE, CART) == before
    assert in_flight.alive(RULE, CART) == in_flight.alive(RULE, named("web", "web-2")) == ("cart-1", "web-2")
    in_flight.drop("web")
    assert in_flight.alive(RULE, CART) == ("cart-1",)


def test_new_pods_are_waited_for_at_once() -> None:
    """The workload may be newer than the rollout that was noted last."""
    in_flight = noted(WEB)
    assert in_flight.alive(RULE, WEB) == ("web-1", "web-2")
    assert in_flight.alive(RULE, named("web", "web-2", "web-3")) == ("web-1", "web-2", "web-3")


def test_a_query_about_one_workload_waits_for_its_pods() -> None:
    """Such a query finds those that were before as well."""
    rule = asking('t{app="$workload"}')
    assert noted(WEB, rule=rule).alive(rule, WEB) == ("web-1", "web-2")
    assert noted(WEB).alive(asking("t", arms=Arms(version_label="version")), WEB) == ()
