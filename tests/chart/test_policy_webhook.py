"""The webhook that the API server asks before it stores a policy."""

import yaml

from tests.support.helm import Helm, only


def test_it_is_off_unless_asked_for(helm: Helm) -> None:
    """Nothing of the installation is in the way of a deployment."""
    assert not any(m["kind"] == "ValidatingWebhookConfiguration" for m in helm.template())


def test_it_asks_the_service_by_tls_and_keeps_nobody_waiting(helm: Helm) -> None:
    """A sentinel that is down is ignored; the daemon is told to answer."""
    values = {"policyWebhook": {"enabled": True, "caBundle": "Q0E="}, "tls": {"existingSecret": "tls"}}
    manifests = helm.template(values)
    (webhook,) = only(manifests, "ValidatingWebhookConfiguration")["webhooks"]
    service = only(manifests, "Service")
    assert webhook["failurePolicy"] == "Ignore"
    assert webhook["clientConfig"]["caBundle"] == "Q0E="
    assert webhook["clientConfig"]["service"] == {
        "namespace": service["metadata"]["namespace"],
        "name": service["metadata"]["name"],
        "port": service["spec"]["ports"][0]["port"],
        "path": "/webhooks/policies",
    }
    assert webhook["rules"][0]["resources"] == ["rolloutpolicies", "clusterrolloutpolicies"]
    settings = yaml.safe_load(only(manifests, "ConfigMap", "-settings")["data"]["sentinel.yaml"])
    assert settings["policies"]["objects"]["admission"] is True
    assert settings["http"]["tls"]["cert_file"]


def test_cert_manager_fills_the_secret_and_names_the_ca(helm: Helm) -> None:
    """By an issuer that signs itself, or the cluster's."""
    values = {
        "policyWebhook": {"enabled": True, "certManager": {"enabled": True}},
        "tls": {"existingSecret": "sentinel-tls"},
    }
    manifests = helm.template(values)
    certificate = only(manifests, "Certificate")
    name, namespace = certificate["metadata"]["name"], certificate["metadata"]["namespace"]
    assert certificate["spec"]["secretName"] == "sentinel-tls"
    assert (
        f"{only(manifests, 'Service')['metadata']['name']}.{namespace}.svc" in certificate["spec"]["dnsNames"]
    )
    assert certificate["spec"]["issuerRef"]["name"] == only(manifests, "Issuer")["metadata"]["name"]
    notes = only(manifests, "ValidatingWebhookConfiguration")["metadata"]["annotations"]
    assert notes["cert-manager.io/inject-ca-from"] == f"{namespace}/{name}"
    values["policyWebhook"]["certManager"]["issuerRef"] = {"kind": "ClusterIssuer", "name": "internal"}  # type: ignore[index]
    shared = helm.template(values)
    assert only(shared, "Certificate")["spec"]["issuerRef"]["name"] == "internal"
    assert not any(m["kind"] == "Issuer" for m in shared)
