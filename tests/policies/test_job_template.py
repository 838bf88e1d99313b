"""The template of a gate's Job: what is let through, and that nothing else ever is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustersim.api.types.builtin_types import table
from sentinel.policies.mistakes import InputError, dotted
from sentinel.policies.schema.job_template import MAX_TEXT, MAX_VALUES, check_job_template

CONTAINER: dict[str, Any] = {"name": "main", "image": "smoke:1"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def template(pod: Any = None, **spec: Any) -> dict[str, Any]:
    """A template of one container, with more in its pod's spec and in its Job's."""
    return {"spec": {"template": {"spec": {"containers": [CONTAINER], **(pod or {})}}, **spec}}


def mistake(value: object) -> tuple[str, str]:
    """Where something is wrong with it, and what."""
    with pytest.raises(InputError) as refusal:
        check_job_template(value)
    return dotted(refusal.value.at), refusal.value.message


def test_a_template_as_a_cron_job_has_it_is_let_through() -> None:
    """Unchanged, with what a smoke test may need."""
    pod = {
        "restartPolicy": "OnFailure",
        "serviceAccountName": "smoke",
        "securityContext": {"runAsNonRoot": True},
        "volumes": [{"name": "tests", "configMap": {"name": "tests"}}],
        "initContainers": [CONTAINER],
    }
    value = {"metadata": {"labels": {"team": "shop"}}, **template(pod, backoffLimit=2)}
    assert check_job_template(value) == value


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("text", ""),
        ({}, "spec"),
        ({"spec": {}}, "spec.template"),
        ({"spec": {"template": {}}}, "spec.template.spec"),
        (template({"containers": []}), "spec.template.spec.containers"),
        (template({"containers": [{"name": "main"}]}), "spec.template.spec.containers[0].image"),
        ({**template(), "metadata": {"name": "x"}}, "metadata.name"),
        ({**template(), "metadata": {"labels": {"a": 1}}}, "metadata.labels.a"),
        (template(backoffLimit=-1), "spec.backoffLimit"),
        (template(backoffLimit=True), "spec.backoffLimit"),
        (template(completions=0), "spec.completions"),
        (template(managedBy="me"), "spec.managedBy"),
        (template({"serviceAccount": "smoke"}), "spec.template.spec.serviceAccount"),
        (template({"serviceAccountName": 3}), "spec.template.spec.serviceAccountName"),
        (template({"ephemeralContainers": []}), "spec.template.spec.ephemeralContainers"),
    ],
)
def test_what_would_not_run_is_refused(value: object, at: str) -> None:
    """At its place."""
    assert mistake(value)[0] == at


@pytest.mark.parametrize(
    ("pod", "at"),
    [
        ({"hostPID": True}, "hostPID"),
        ({"hostIPC": True}, "hostIPC"),
        ({"nodeName": "node-1"}, "nodeName"),
        ({"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}, "volumes[0].hostPath"),
        ({"containers": [{**CONTAINER, "ports": [{"hostPort": 80}]}]}, "containers[0].ports[0].hostPort"),
        (
            {"initContainers": [{**CONTAINER, "securityContext": {"privileged": True}}]},
            "initContainers[0].securityContext.privileged",
        ),
        (
            {"containers": [{**CONTAINER, "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}]},
            "containers[0].securityContext.capabilities.add",
        ),
    ],
)
def test_what_reaches_beyond_the_pod_is_refused(pod: dict[str, Any], at: str) -> None:
    """Whoever may write rule files gets no node by it."""
    found = mistake(template(pod))
    assert found == (f"spec.template.spec.{at}", "reaches outside the pod, which a gate's Job must not do")


@pytest.mark.parametrize("arguments", [["x"] * MAX_VALUES, ["x" * (MAX_TEXT + 1)]])
def test_a_template_that_would_fill_the_records_is_refused(arguments: list[str]) -> None:
    """The policy is kept in each rollout's record."""
    big = template({"containers": [{**CONTAINER, "args": arguments}]})
    assert "holds more than" in mistake(big)[1]


def taken(value: object) -> bool:
    """Whether it is let through; anything but a mistake that is raised fails the test."""
    try:
        check_job_template(value)
    except InputError:
        return False
    return True


@given(json_values)
def test_nothing_but_a_template_is_let_through(value: object) -> None:
    """Never a traceback, whatever it is."""
    assert not taken(value)


@given(
    st.sampled_from([("spec",), ("spec", "template"), ("spec", "template", "spec")]),
    st.text(max_size=8),
    json_values,
)
def test_no_unknown_key_is_let_through(path: tuple[str, ...], key: str, value: object) -> None:
    """At any level, with any value, and never a traceback."""
    whole = template()
    level = whole
    for part in path:
        level = level[part]
    level[key] = value
    assert not taken(whole) or key in table()[{1: "JobSpec", 2: "PodTemplateSpec", 3: "PodSpec"}[len(path)]]
