"""VictoriaMetrics in Prometheus' place: vmalert evaluates the rules and posts alerts to the sentinel itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustersim.metrics.requests import Quality
from clustersim.ports import free_port
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from sentinel.ports import SystemClock
from tests.e2e.shops import LONG, QUICK, REQUESTS_PER_SECOND, WELL
from tests.support.victoria import real_victoria
from tests.support.world import NAMESPACE, ROLLING, decision, world

pytestmark = [pytest.mark.real, pytest.mark.real_time]

POLICY = """
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: shop}
spec:
  match: {kinds: [Deployment], namespaces: [shop]}
  strategy:
    canary:
      steps: [{weight: 50%, bake: 5m}]
    bake: 5m
  rules:
    - {name: crash-loop, crashLoop: {}}
  alerts:
    - {match: ['severity="page"'], action: undo, lookback: 1h}
"""
RULE = {
    "alert": "ClientsTurnedAway",
    "expr": 'sum by (namespace, deployment) (label_replace(rate(http_requests_total{code="429"}[4s]),'
    ' "deployment", "$1", "pod", "(.+)-[^-]+-[^-]+")) > 5',
    "for": "1s",
    "labels": {"severity": "page"},
}


async def test_an_alert_of_vmalert_on_a_deployment_undoes(tmp_path: Path) -> None:
    """Posted by vmalert as to an Alertmanager, and known for how long it was pending, by `prometheus.rules_url`."""
    port = free_port()
    async with world(tmp_path, POLICY, now=SystemClock().now) as here:
        here.cluster.behaviours.default = QUICK
        here.cluster.serve("web:1", WELL)
        here.cluster.deploy("web", "web:1", 4, namespace=NAMESPACE, **ROLLING)
        here.cluster.offer("web", REQUESTS_PER_SECOND, namespace=NAMESPACE)
        await here.settle(within=LONG)
        page = here.cluster.metrics_url.removeprefix("http://")
        webhook = f"http://127.0.0.1:{port}/webhooks/alertmanager"
        async with real_victoria(tmp_path, [RULE], webhook, scraped=page) as victoria:
            here.environ |= {
                "SENTINEL_PROMETHEUS__URL": victoria.storage,
                "SENTINEL_PROMETHEUS__RULES_URL": victoria.vmalert,
                "SENTINEL_HTTP__PORT": str(port),
            }
            await here.start()
            await here.phase(Phase.UNJUDGED, within=LONG)
            here.cluster.serve("web:2", Quality(errors=0.3, error_code="429"))
            here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
            record = await here.phase(Phase.UNDONE, image="web:2", within=LONG)
            await here.stop()
    assert decision(record, Action.UNDO).rule == "alert ClientsTurnedAway"
    assert record.alerts[0].pending_for == 1.0
