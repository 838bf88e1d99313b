"""A workload's own spans out of an answer about many."""

from __future__ import annotations

from sentinel.domain.evidence import Missing, MissingReason, Span, Subject
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.pods import Pod
from sentinel.domain.workload.revision import Revision
from sentinel.runtime.evidence.spanindex import REMEMBERED, SpanIndex


def span(namespace: str, pod: str = "", version: str = "") -> Span:
    """A span of a subject, without readings."""
    return Span(Subject(namespace, pod, version), None, None)


def workload(*pods: str) -> Workload:
    """A workload of namespace `shop` with these pods."""
    return Workload(
        WorkloadKey(WorkloadKind.DEPLOYMENT, "shop", "web"),
        "uid",
        Revision("digest"),
        pods=tuple(Pod(name, name, "hash") for name in pods),
    )


def test_only_the_spans_of_the_workloads_own_pods_are_given() -> None:
    """Neither other workloads' pods nor pods of the same name elsewhere are among them."""
    answer = (span("shop", "web-1"), span("shop", "api-1"), span("elsewhere", "web-1"), span("shop", "web-2"))
    assert list(SpanIndex().own(answer, workload("web-1", "web-2"))) == [answer[0], answer[3]]


def test_one_pod_seen_through_two_jobs_is_given_twice() -> None:
    """What is double stays double: the tick has to see it."""
    answer = (span("shop", "web-1"), span("shop", "web-1"), span("shop", "api-1"))
    assert len(SpanIndex().own(answer, workload("web-1"))) == 2


def test_versions_are_given_to_everyone() -> None:
    """A span of a version is no pod's; whose it is, is decided by the arms."""
    answer = (span("shop", version="v2"), span("shop", "api-1"), span("", version="v1"))
    assert list(SpanIndex().own(answer, workload("web-1"))) == [answer[0], answer[2]]


def test_each_answer_is_looked_through_by_itself() -> None:
    """Also past the number of answers that are remembered, and for answers that are equal."""
    index = SpanIndex()
    for number in range(REMEMBERED * 2):
        answer = (span("shop", "web-1"), span("shop", f"api-{number}"), span("shop", "api"))
        assert list(index.own(answer, workload("web-1"))) == [answer[0]]


def test_strays_concern_every_workload() -> None:
    """Errors of a pod without requests may be those of any workload, however large the answer."""
    missing = Missing(MissingReason.LABELS_DIFFER, "ingress-1")
    one = Span(Subject("shop", "ingress-1"), None, None, missing)
    many = [Span(Subject("shop", f"other-{n}"), None, None) for n in range(100)]
    assert SpanIndex().own([*many, one], workload("web-1")) == [one]
