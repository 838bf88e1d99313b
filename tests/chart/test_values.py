"""Values: wrong ones are refused with a sentence, and the schema knows every setting."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from sentinel.settings import Settings
from tests.support.helm import CHART, Helm, HelmError

SET_BY_THE_CHART = {
    "policies.objects.admission",
    "kubernetes.kubeconfig",
    "kubernetes.context",
    "kubernetes.kinds",
    "kubernetes.routes",
    "kubernetes.watch_config_maps",
    "kubernetes.watch_secrets",
    "kubernetes.namespaces",
    "rules.paths",
    "slack.channel",
    "http.host",
    "http.port",
    "http.tls.cert_file",
    "http.tls.key_file",
    "http.tls.client_ca_file",
    "http.webhook.tokens",
    "http.webhook.username",
    "ui.enabled",
    "ui.host",
    "ui.url",
    "ui.port",
    "ui.username",
    "ui.writes.proxies",
    "ui.writes.user_header",
    "ui.writes.groups_header",
    "ui.writes.users",
    "ui.writes.groups",
    "leadership.name",
    "leadership.namespace",
}
"""Settings that have a value of their own in the chart, or no meaning in a cluster."""
SECRET = ("token", "password", "api_key", "app_key", "app_token", "signing_secret", "secret", "client_secret")
MOUNTED = {
    "prometheus.bearer_token_file",
    "prometheus.password_file",
    "prometheus.oauth.client_secret_file",
    "newrelic.api_key_file",
}
"""Files of secrets that the chart's own Secrets do not cover: mounted by `extraVolumes`."""

WRONG: list[tuple[Mapping[str, Any], tuple[str, ...]]] = [
    ({"replicas": "two"}, ("/replicas", "want integer")),
    ({"replica": 2}, ("'replica' not allowed",)),
    ({"settings": {"mode": "enforced"}}, ("/settings/mode", "'observe', 'enforce'")),
    ({"settings": {"prometheus": {"ulr": "http://x"}}}, ("/settings/prometheus", "'ulr' not allowed")),
    ({"settings": {"prometheus": {"url": "prometheus:9090"}}}, ("/settings/prometheus/url",)),
    ({"settings": {"slack": {"token": "xoxb-1"}}}, ("/settings/slack", "'token' not allowed")),
    ({"settings": {"drain_seconds": 0}}, ("/settings/drain_seconds", "minimum")),
    ({"settings": {"evaluation": {"interval": "soon"}}}, ("/settings/evaluation/interval",)),
    ({"settings": {"gates": {"jobs": {"enable": True}}}}, ("/settings/gates/jobs", "'enable' not allowed")),
    ({"settings": {"gates": {"jobs": {"namespaces": ["shop-*"]}}}}, ("/settings/gates/jobs/namespaces/0",)),
    ({"watchNamespaces": "shop"}, ("/watchNamespaces", "want array")),
    ({"watchNamespaces": ["Shop"]}, ("/watchNamespaces/0",)),
    ({"image": {"digest": "latest"}}, ("/image/digest",)),
    ({"rules": {"files": {"mine": "text"}}}, ("/rules/files", "mine")),
    ({"rules": {"default": False}}, ("rules are missing: leave rules.default true",)),
    ({"slack": {"channel": "#d", "appTokenKey": "app"}}, ("slack.existingSecret is missing",)),
    (
        {"slack": {"channel": "#d", "existingSecret": "slack", "appTokenKey": "app"}},
        ("settings.slack.approvers are missing",),
    ),
    ({"settings": {"slack": {"approvers": {"users": ["@alice"]}}}}, ("/settings/slack/approvers/users",)),
    ({"slack": {"existingSecret": "slack"}}, ("slack.channel is missing", '"#deploys"')),
    ({"prometheus": {"existingSecret": "token"}}, ("settings.prometheus.url is missing",)),
    ({"settings": {"leadership": {"enabled": False}}}, ("two sentinels at once would both act",)),
    ({"webhook": {"tokens": [{"existingSecret": "a"}]}}, ("/webhook/tokens/0", "'namespaces'")),
    ({"ui": {"exposed": True}}, ("ui.existingSecret is missing", "ui.authenticatedByProxy")),
    ({"ui": {"ingress": {"enabled": True, "host": "a.example"}}}, ("ui.exposed is false",)),
    ({"ui": {"writes": {"proxies": ["10.0.12.0/24"]}}}, ("ui.writes.groups are missing",)),
    (
        {
            "ui": {
                "exposed": True,
                "authenticatedByProxy": True,
                "writes": {"proxies": ["10.0.12.0/24"], "groups": {"oncall": ["*"]}},
            }
        },
        ("ui.ingressFrom is missing", "only the proxy may reach the page"),
    ),
    ({"ui": {"writes": {"groups": {"oncall": []}}}}, ("/ui/writes/groups/oncall",)),
    ({"ui": None}, ("ui",)),
    ({"metrics": {"serviceMonitor": None}}, ("serviceMonitor",)),
    ({"fullnameOverride": "Sentinel"}, ("fullnameOverride", "does not match")),
    (
        {"settings": {"notify": {"opsgenie": {"oncall": {"key_file": "/k", "severities": {"error": "P9"}}}}}},
        ("severities/error",),
    ),
    ({"policyWebhook": {"enabled": True}}, ("tls.existingSecret is missing", "policyWebhook.certManager")),
    ({"policyWebhook": {"enabled": True}, "tls": {"existingSecret": "tls"}}, ("caBundle is missing",)),
    ({"tls": {"clientCa": True}}, ("tls.existingSecret is missing",)),
    ({"serviceAccount": {"create": False}}, ("serviceAccount.name is missing",)),
]


@pytest.mark.parametrize(("values", "said"), WRONG, ids=[str(values) for values, _ in WRONG])
def test_wrong_values_are_refused(helm: Helm, values: Mapping[str, Any], said: tuple[str, ...]) -> None:
    """Before anything is installed, with the place and what would be right."""
    with pytest.raises(HelmError) as refusal:
        helm.template(values)
    for words in said:
        assert words in str(refusal.value)


@pytest.mark.parametrize("file", ["values.yaml", "values-staging.yaml", "values-production.yaml"])
def test_the_chart_passes_helms_lint(helm: Helm, file: str) -> None:
    """With no warning."""
    assert "0 chart(s) failed" in helm.run("lint", "--strict", str(CHART), "--values", str(CHART / file))


def test_the_schema_knows_every_setting() -> None:
    """And none that there is not."""
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["settings"]
    known = set(_schema_leaves(schema, ""))
    wanted = {
        path
        for path in _setting_leaves(Settings, "")
        if path not in SET_BY_THE_CHART
        and path.rpartition(".")[2].removesuffix("_file").removeprefix("bearer_") not in SECRET
    }
    wanted |= MOUNTED
    assert known - wanted == set(), "drop these from values.schema.json"
    assert wanted - known == set(), (
        "describe these in values.schema.json, or say above what the chart sets itself"
    )


def test_the_notes_say_how_to_reach_it(helm: Helm) -> None:
    """Alertmanager's receiver with the Service's address, and that a webhook without a token takes alerts of anyone."""
    notes = helm.notes()
    assert "http://rollback-sentinel.rollback-sentinel:8080/webhooks/alertmanager" in notes
    assert "WARNING: webhook.existingSecret is empty" in notes
    assert "--set settings.mode=enforce" in notes


def test_the_notes_warn_of_jobs_that_may_be_made_everywhere(helm: Helm) -> None:
    """Until the namespaces are named in which they may."""
    jobs: dict[str, Any] = {"enabled": True}
    assert "may create Jobs in every namespace" in helm.notes({"settings": {"gates": {"jobs": jobs}}})
    jobs["namespaces"] = ["shop"]
    assert "may create Jobs in" not in helm.notes({"settings": {"gates": {"jobs": jobs}}})


def test_the_notes_name_the_secret_of_the_webhook(helm: Helm) -> None:
    """With a token there is no warning, and Alertmanager is told to show it."""
    notes = helm.notes({"webhook": {"existingSecret": "sentinel-webhook"}, "settings": {"mode": "enforce"}})
    assert "sentinel-webhook" in notes
    assert "WARNING" not in notes
    assert "touches nothing" not in notes


def _schema_leaves(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, part in schema["properties"].items():
        inner = f"{path}{name}"
        if "properties" in part:
            yield from _schema_leaves(part, f"{inner}.")
        else:
            yield inner


def _setting_leaves(model: type[BaseModel], path: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = f"{path}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _setting_leaves(field.annotation, f"{inner}.")
        else:
            yield inner
