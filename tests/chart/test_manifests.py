"""What the chart renders: accepted by Kubernetes' own schemas whatever the values, and hardened."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from sentinel.policies.load import PolicySet, load
from sentinel.policies.schema.quantities import parse_duration
from sentinel.settings import Settings, load_settings
from tests.support.helm import CHART, Helm, Manifest, only

FILES = (
    "slack/token",
    "slack/app-token",
    "datadog/api-key",
    "datadog/app-key",
    "prometheus/token",
    "webhook/token",
    "webhook-0/token",
    "tls/tls.crt",
    "tls/tls.key",
    "tls/ca.crt",
    "ui/password",
)
OPERATOR_KINDS = {"ServiceMonitor", "PrometheusRule", "HTTPRoute"}
MOUNTED = "/etc/rollback-sentinel"
SECRETS = {
    "slack": {"channel": "#deploys", "existingSecret": "slack", "appTokenKey": "app"},
    "datadog": {"existingSecret": "datadog"},
    "prometheus": {"existingSecret": "prometheus"},
    "webhook": {
        "existingSecret": "webhook",
        "tokens": [{"existingSecret": "team-a", "tokenKey": "alerts", "namespaces": ["team-a", "team-a-*"]}],
    },
    "tls": {"existingSecret": "certificate", "clientCa": True},
    "ui": {"exposed": True, "existingSecret": "page"},
    "settings": {
        "prometheus": {"url": "http://prometheus:9090"},
        "slack": {"approvers": {"users": ["U1"]}},
    },
}
MATRIX: dict[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    "defaults": ({}, ()),
    "staging": ({}, ("values-staging.yaml",)),
    "production": ({}, ("values-production.yaml",)),
    "secrets": (SECRETS, ()),
    "namespaces": ({"watchNamespaces": ["shop", "bank"], "rbac": {"nodes": False}}, ()),
    "replicas": ({"replicas": 3}, ()),
    "jobs": ({"settings": {"gates": {"allowed_hosts": ["*.qa"], "jobs": {"enabled": True}}}}, ()),
    "jobs in namespaces": (
        {
            "settings": {
                "gates": {
                    "jobs": {
                        "enabled": True,
                        "namespaces": ["shop", "bank"],
                        "service_accounts": ["smoke-*"],
                    }
                }
            }
        },
        (),
    ),
    "alone": (
        {
            "replicas": 1,
            "strategy": {"type": "Recreate", "rollingUpdate": None},
            "settings": {"leadership": {"enabled": False}},
        },
        (),
    ),
    "bare": (
        {
            "rbac": {"create": False},
            "serviceAccount": {"create": False, "name": "mine"},
            "networkPolicy": {"enabled": False},
            "admissionPolicy": {"enabled": False},
            "tests": {"enabled": False},
            "rules": {"existingConfigMap": "mine"},
        },
        (),
    ),
    "monitoring": (
        {
            "metrics": {
                "serviceMonitor": {
                    "enabled": True,
                    "labels": {"release": "prometheus"},
                    "namespace": "monitoring",
                    "scrapeTimeout": "5s",
                    "relabelings": [{"action": "labeldrop", "regex": "pod"}],
                    "metricRelabelings": [
                        {"action": "drop", "regex": "python_.*", "sourceLabels": ["__name__"]}
                    ],
                },
                "prometheusRule": {"enabled": True, "alertLabels": {"team": "platform"}},
                "dashboard": {"enabled": True},
            }
        },
        (),
    ),
    "everything": (
        {
            "fullnameOverride": "watchdog",
            "image": {
                "repository": "registry.example.com/a/b",
                "digest": f"sha256:{'0' * 64}",
                "pullSecrets": ["pull"],
            },
            "imagePullSecrets": [{"name": "registry"}],
            "commonLabels": {"example.com/team": "platform"},
            "replicaCount": 3,
            "serviceAccount": {"annotations": {"example.com/role": "sentinel"}},
            "service": {"type": "NodePort", "port": 80, "annotations": {"example.com/a": "b"}},
            "podAnnotations": {"example.com/a": "b"},
            "podLabels": {"team": "platform"},
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
            "affinity": {"nodeAffinity": {}},
            "topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
            ],
            "priorityClassName": "high",
            "ui": {
                "exposed": True,
                "authenticatedByProxy": True,
                "port": 9000,
                "ingressFrom": [{"podSelector": {"matchLabels": {"app": "ingress"}}}],
                "ingress": {
                    "enabled": True,
                    "className": "nginx",
                    "host": "sentinel.example.com",
                    "tlsSecret": "page-tls",
                    "annotations": {"example.com/a": "b"},
                },
                "httpRoute": {
                    "enabled": True,
                    "parentRefs": [{"name": "public"}],
                    "hostnames": ["a.example.com"],
                },
            },
            "extraEnv": [{"name": "SENTINEL_LOG__LEVEL", "value": "debug"}],
            "networkPolicy": {
                "ingressFrom": [{"podSelector": {"matchLabels": {"app": "alertmanager"}}}],
                "extraEgress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
            },
        },
        (),
    ),
}


@pytest.fixture(params=MATRIX, scope="module")
def manifests(request: pytest.FixtureRequest, helm: Helm) -> list[Manifest]:
    """What each set of values renders."""
    values, files = MATRIX[request.param]
    return helm.template(values, *files)


def settings_of(manifests: list[Manifest], folder: Path) -> Settings:
    """The rendered settings as the daemon reads them, with a secret's file wherever they name one."""
    text = only(manifests, "ConfigMap", "-settings")["data"]["sentinel.yaml"]
    for secret in FILES:
        (folder / "secrets" / secret).parent.mkdir(parents=True, exist_ok=True)
        (folder / "secrets" / secret).write_text(f"the-{secret.replace('/', '-')}\n")
    file = folder / "sentinel.yaml"
    file.write_text(text.replace(MOUNTED, str(folder)))
    return load_settings(file, {})


def pod(manifests: list[Manifest]) -> dict[str, Any]:
    """The pod of the sentinel's Deployment."""
    spec: dict[str, Any] = only(manifests, "Deployment")["spec"]["template"]["spec"]
    return spec


def test_every_manifest_is_valid(manifests: list[Manifest]) -> None:
    """Kubernetes' schemas of the oldest and the newest version that the chart is for know every field."""
    for manifest in manifests:
        if manifest["kind"] not in OPERATOR_KINDS:
            for version in ("1.30", "1.37"):
                kubernetes_validate.validate(manifest, version, strict=True)


def test_nothing_is_rendered_twice(manifests: list[Manifest]) -> None:
    """Kind, namespace and name are unique."""
    names = [(m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"]) for m in manifests]
    assert len(set(names)) == len(names)


def test_the_daemon_accepts_its_settings_and_rules(manifests: list[Manifest], tmp_path: Path) -> None:
    """What lies in the two ConfigMaps loads without a mistake."""
    settings = settings_of(manifests, tmp_path)
    assert settings.rules.paths == (tmp_path / "rules",)
    for rules in (m for m in manifests if m["metadata"]["name"].endswith("-rules") and "data" in m):
        (tmp_path / "rules").mkdir()
        for name, text in rules["data"].items():
            (tmp_path / "rules" / name).write_text(text)
        assert isinstance(load([tmp_path / "rules"]), PolicySet)


def test_the_pod_is_hardened(manifests: list[Manifest]) -> None:
    """Not root, nothing writable but /tmp, no capability, no Service variables that could be taken for settings."""
    spec = pod(manifests)
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")} == {"/tmp"}
    assert spec["enableServiceLinks"] is False
    assert set(container["resources"]) == {"requests", "limits"}


def test_the_pod_outlives_its_own_drain(manifests: list[Manifest], tmp_path: Path) -> None:
    """Kubernetes kills it only long after the daemon would have stopped by itself."""
    assert (
        pod(manifests)["terminationGracePeriodSeconds"] >= settings_of(manifests, tmp_path).drain_seconds + 10
    )


def test_the_service_leads_to_the_sentinel_alone(manifests: list[Manifest]) -> None:
    """It selects the Deployment's pods by a port that they have, and not the pod of `helm test`."""
    service, template = only(manifests, "Service")["spec"], only(manifests, "Deployment")["spec"]["template"]
    selector = service["selector"].items()
    assert selector <= template["metadata"]["labels"].items()
    assert service["ports"][0]["targetPort"] in {p["name"] for p in pod(manifests)["containers"][0]["ports"]}
    for test in (m for m in manifests if m["kind"] == "Pod"):
        assert not selector <= test["metadata"]["labels"].items()


def test_settings_restart_the_pod_and_rules_do_not(helm: Helm) -> None:
    """Only a change of the settings changes the pod template."""

    def template(values: Mapping[str, Any]) -> Any:
        return only(helm.template(values), "Deployment")["spec"]["template"]

    plain = template({})
    assert template({"settings": {"log": {"level": "debug"}}}) != plain
    assert template({"rules": {"files": {"mine.yaml": {"kind": "RolloutPolicy"}}}}) == plain


def test_secrets_are_mounted_as_files_and_never_read_through_the_api(helm: Helm, tmp_path: Path) -> None:
    """Each setting that names a secret's file names one that is mounted; no role grants Secrets."""
    manifests = helm.template(SECRETS)
    spec = pod(manifests)
    mounts = {m["name"]: m["mountPath"] for m in spec["containers"][0]["volumeMounts"]}
    files = {
        f"{mounts[volume['name']]}/{item['path']}"
        for volume in spec["volumes"]
        for item in volume.get("secret", {}).get("items", ())
    }
    written = yaml.safe_load(only(manifests, "ConfigMap", "-settings")["data"]["sentinel.yaml"])
    named = {
        written["slack"]["token_file"],
        written["slack"]["app_token_file"],
        written["datadog"]["api_key_file"],
        written["datadog"]["app_key_file"],
        written["prometheus"]["bearer_token_file"],
        written["http"]["webhook"]["token_file"],
        written["http"]["webhook"]["tokens"][0]["token_file"],
        written["ui"]["password_file"],
    }
    assert named == files
    assert set(written["http"]["tls"].values()) == {
        f"{mounts['tls']}/{file}" for file in ("tls.crt", "tls.key", "ca.crt")
    }
    settings = settings_of(manifests, tmp_path)
    assert settings.slack.token is not None
    assert settings.slack.token.get_secret_value() == "the-slack-token"
    assert settings.http.webhook.tokens[0].namespaces == ("team-a", "team-a-*")
    assert not any("secrets" in str(m.get("rules")) for m in manifests)


def test_with_a_certificate_everyone_comes_by_https(helm: Helm) -> None:
    """The kubelet's probes, Prometheus and the pod of `helm test`; without one by plain HTTP."""
    monitor = {"metrics": {"serviceMonitor": {"enabled": True}}}
    for values, scheme in ((monitor, "http"), ({**monitor, **SECRETS}, "https")):
        manifests = helm.template(values)
        (container,) = pod(manifests)["containers"]
        probes = [container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
        assert [probe["scheme"] for probe in probes] == [scheme.upper()] * 3
        assert only(manifests, "ServiceMonitor")["spec"]["endpoints"][0]["scheme"] == scheme
        assert only(manifests, "Pod")["spec"]["containers"][0]["command"][-2].startswith(f"{scheme}://")
        assert f"url: {scheme}://" in helm.notes(values)


def test_one_replica_does_not_keep_its_node_from_being_drained(helm: Helm) -> None:
    """A disruption budget comes with the second replica."""
    kinds = {m["kind"] for m in helm.template({"replicas": 1})}
    assert "PodDisruptionBudget" not in kinds
    budget = only(helm.template(), "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1


def network_policy(helm: Helm, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the NetworkPolicy of the sentinel's own pods allows."""
    spec: dict[str, Any] = only(helm.template(values), "NetworkPolicy", "sentinel")["spec"]
    return spec


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://prometheus.monitoring:9090", 9090),
        ("http://prometheus", 80),
        ("https://metrics.example.com/prom", 443),
        ("https://[::1]:8443/x", 8443),
    ],
)
def test_the_network_policy_lets_it_reach_prometheus(helm: Helm, url: str, port: int) -> None:
    """The port that Prometheus' address names, or its scheme's."""
    policy = network_policy(helm, {"settings": {"prometheus": {"url": url}}})
    allowed = [p["port"] for rule in policy["egress"] for p in rule["ports"]]
    assert port in allowed
    assert {53, 443, 6443} <= set(allowed)


def test_the_network_policy_lets_it_send_traces_and_notices(helm: Helm) -> None:
    """The collector's and the webhook's ports, beside Prometheus' and its rules'."""
    settings = {
        "prometheus": {"url": "http://prometheus:9090", "rules_url": "http://vmalert:8880"},
        "tracing": {"endpoint": "http://collector:4318"},
        "notify": {"webhook": {"url": "http://hooks:8443"}},
    }
    policy = network_policy(helm, {"settings": settings})
    assert {9090, 8880, 4318, 8443} <= {p["port"] for rule in policy["egress"] for p in rule["ports"]}


@pytest.mark.parametrize("source", ["prometheus", "cloudwatch", "datadog", "newrelic", "web"])
def test_the_network_policy_lets_a_source_be_reached_through_its_proxy(helm: Helm, source: str) -> None:
    """The proxy's port; `environment` names none."""
    named, not_named = (
        network_policy(helm, {"settings": {source: {"proxy": proxy}}})["egress"]
        for proxy in ("http://proxy.example.com:3128", "environment")
    )
    assert {"port": 3128, "protocol": "TCP"} in [port for rule in named for port in rule["ports"]]
    assert {53, 443, 6443} == {port["port"] for rule in not_named for port in rule["ports"]}


def test_the_network_policy_lets_gates_be_called_where_the_settings_name_hosts(helm: Helm) -> None:
    """At port 80 unless the values say otherwise; none without hosts."""
    hosts = {"settings": {"gates": {"allowed_hosts": ["*.qa"]}}}

    def ports(values: Mapping[str, Any]) -> set[int]:
        policy = network_policy(helm, values)
        return {p["port"] for rule in policy["egress"] for p in rule["ports"]}

    assert ports({}) == {53, 443, 6443}
    assert ports(hosts) == {53, 80, 443, 6443}
    assert ports({**hosts, "networkPolicy": {"gatePorts": [8080]}}) == {53, 443, 6443, 8080}


def test_the_shipped_rules_are_those_of_the_chart() -> None:
    """A chart cannot reach files beside it, hence a copy that says the same."""
    shipped, copy = CHART.parents[1] / "rules" / "default.yaml", CHART / "files" / "default-rules.yaml"
    assert yaml.safe_load(copy.read_text()) == yaml.safe_load(shipped.read_text()), f"cp {shipped} {copy}"


def test_production_is_what_the_environments_ask_for(helm: Helm, tmp_path: Path) -> None:
    """Steps of 10 % and 50 %, ten minutes at 100 %, more than 5 % errors, a mean over 1 s; and it acts."""
    manifests = helm.template({}, "values-production.yaml")
    rules = only(manifests, "ConfigMap", "-rules")["data"]
    spec = yaml.safe_load(rules["thea-api.yaml"])["spec"]
    assert [step["weight"] for step in spec["strategy"]["canary"]["steps"]] == ["10%", "50%"]
    assert parse_duration(spec["strategy"]["bake"]).total_seconds() == 600
    limits = {rule["name"]: rule for rule in spec["rules"]}
    assert limits["error-rate"]["errorRate"]["max"] == "5%"
    assert limits["latency"]["latency"]["mean"] == "1s"
    assert settings_of(manifests, tmp_path).mode.value == "enforce"
