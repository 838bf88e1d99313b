"""What charts have by convention, and the old names of this one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.helm import Helm

Manifest = dict[str, Any]


def _deployment(manifests: list[Manifest]) -> Manifest:
    return next(each for each in manifests if each["kind"] == "Deployment")


def test_common_labels_are_on_every_object_of_a_template_and_never_in_a_selector(helm: Helm) -> None:
    """A selector of a Deployment cannot be changed by an upgrade."""
    manifests = [
        each
        for each in helm.template({"commonLabels": {"team": "platform"}})
        if each["kind"] != "CustomResourceDefinition"
    ]
    assert [m["kind"] for m in manifests if m["metadata"]["labels"].get("team") != "platform"] == []
    deployment = _deployment(manifests)
    assert deployment["spec"]["template"]["metadata"]["labels"]["team"] == "platform"
    assert "team" not in json.dumps([m["spec"].get("selector") for m in manifests if "spec" in m])


@pytest.mark.parametrize(
    "values",
    [
        {"replicaCount": 3, "imagePullSecrets": [{"name": "pull"}]},
        {"replicas": 3, "image": {"pullSecrets": ["pull"]}},
    ],
)
def test_old_names_mean_the_same(helm: Helm, values: dict[str, Any]) -> None:
    """An upgrade with `--reset-then-reuse-values` has them."""
    spec = _deployment(helm.template(values))["spec"]
    assert (spec["replicas"], spec["template"]["spec"]["imagePullSecrets"]) == (3, [{"name": "pull"}])


def test_extra_objects_are_part_of_the_release(helm: Helm) -> None:
    """As YAML or as text, with templates."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}}
    manifests = helm.template(
        {"extraObjects": [config, json.dumps({**config, "metadata": {"name": "text"}})]}
    )
    names = [m["metadata"]["name"] for m in manifests]
    assert "text" in names
    assert any(name.endswith("-more") and "{{" not in name for name in names)


def test_the_service_monitor_checks_a_certificate_where_it_is_named(helm: Helm) -> None:
    """Otherwise it does not: the address of a pod is in no certificate."""
    checked = {"serverName": "sentinel.svc", "ca": {"secret": {"name": "tls", "key": "ca.crt"}}}
    endpoints = [
        next(
            m
            for m in helm.template(
                {
                    "tls": {"existingSecret": "tls"},
                    "metrics": {"serviceMonitor": {"enabled": True, "tlsConfig": config}},
                }
            )
            if m["kind"] == "ServiceMonitor"
        )["spec"]["endpoints"][0]
        for config in ({}, checked)
    ]
    assert [each["tlsConfig"] for each in endpoints] == [{"insecureSkipVerify": True}, checked]
