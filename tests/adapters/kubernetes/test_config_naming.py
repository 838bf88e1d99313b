"""Which objects a pod template names."""

from typing import Any

import pytest

from sentinel.adapters.kubernetes.config.naming import keys_required_by, named_by
from sentinel.domain.workload.config import ConfigKind, ConfigRef


def template(**spec: Any) -> dict[str, Any]:
    """A pod template."""
    return {"metadata": {}, "spec": {"containers": [{"name": "app"}], **spec}}


def test_everything_that_pods_cannot_start_without_is_found() -> None:
    """In the environment, in volumes, in projected volumes and of init containers, each once."""
    env = [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "b"}}},
        {"name": "C", "value": "plain"},
    ]
    found = named_by(
        template(
            serviceAccountName="shop",
            initContainers=[{"name": "init", "envFrom": [{"configMapRef": {"name": "init-settings"}}]}],
            containers=[{"name": "app", "env": env, "envFrom": [{"secretRef": {"name": "more-keys"}}]}],
            volumes=[
                {"name": "files", "configMap": {"name": "files"}},
                {"name": "cert", "secret": {"secretName": "cert"}},
                {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "driver", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "driver-key"}}},
                {"name": "scratch", "emptyDir": {}},
                {
                    "name": "all",
                    "projected": {
                        "sources": [
                            {"configMap": {"name": "settings"}},
                            {"secret": {"name": "token"}},
                            {"serviceAccountToken": {"path": "t"}},
                        ]
                    },
                },
            ],
        )
    )
    assert [str(ref) for ref in found] == [
        "ConfigMap files",
        "ConfigMap init-settings",
        "ConfigMap settings",
        "PersistentVolumeClaim data",
        "Secret cert",
        "Secret driver-key",
        "Secret keys",
        "Secret more-keys",
        "Secret token",
        "ServiceAccount shop",
    ]


@pytest.mark.parametrize(("second", "optional"), [(True, True), (False, False)])
def test_one_place_that_requires_it_is_enough(second: bool, optional: bool) -> None:
    """Pods start without an object only if every place that names it says so."""
    sources = [
        {"configMapRef": {"name": "settings", "optional": True}},
        {"configMapRef": {"name": "settings", "optional": second}},
    ]
    found = named_by(template(containers=[{"name": "app", "envFrom": sources}]))
    assert found == (ConfigRef(ConfigKind.CONFIG_MAP, "settings", optional),)


@pytest.mark.parametrize("odd", [None, [], {"spec": {"volumes": "none", "containers": [{"env": [None]}]}}])
def test_a_template_of_another_shape_names_nothing(odd: object) -> None:
    """Nothing is trusted to have the shape that it should have."""
    assert named_by(odd) == ()


def test_the_keys_that_pods_cannot_start_without_are_those_of_places_that_are_not_optional() -> None:
    """Of variables and of the items of volumes, from all places that name the object."""
    env = [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}},
        {
            "name": "B",
            "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "trace", "optional": True}},
        },
        {"name": "C", "valueFrom": {"secretKeyRef": {"name": "settings", "key": "token"}}},
    ]
    items = [{"key": "rules.yaml", "path": "rules.yaml"}]
    found = keys_required_by(
        template(
            containers=[{"name": "app", "env": env}],
            volumes=[
                {"name": "files", "configMap": {"name": "settings", "items": items}},
                {"name": "all", "projected": {"sources": [{"configMap": {"name": "other", "items": items}}]}},
            ],
        ),
        ConfigRef(ConfigKind.CONFIG_MAP, "settings"),
    )
    assert found == {"mode", "rules.yaml"}
