"""The configuration files that ship, together and by the real programs: what one relies on, another provides."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from clustersim.ports import free_port
from tests.support.helm import Helm
from tests.support.processes import binary, running

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
FOLDERS = (CONFIG, CONFIG / "compose")
PODS = {"web": 0.0, "till": 0.3, "cart": 0.0}
"""Deployments of one namespace, and which share of their requests fails."""


def ran(*command: str) -> str:
    """What a program says that must end well."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def receivers(config: Path, **labels: str) -> list[str]:
    """Who is told of an alert, by amtool."""
    pairs = [f"{name}={value}" for name, value in labels.items()]
    told = ran(binary("amtool"), "config", "routes", "test", f"--config.file={config}", *pairs)
    return told.strip().split(",")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_prometheus_takes_its_configuration_and_rules(folder: Path, tmp_path: Path) -> None:
    """By promtool, with the rule files that it names; Debian's build knows no Kubernetes discovery."""
    config = yaml.safe_load((folder / "prometheus.yml").read_text())
    for job in config["scrape_configs"]:
        job.pop("kubernetes_sd_configs", None)
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    shutil.copy(folder / "alerts.yml", tmp_path)
    said = ran(binary("promtool"), "check", "config", str(tmp_path / "prometheus.yml"))
    assert "SUCCESS: 1 rule files found" in said
    assert "rules found" in said


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_alertmanager_takes_its_configuration(folder: Path) -> None:
    """By amtool."""
    assert "SUCCESS" in ran(binary("amtool"), "check-config", str(folder / "alertmanager.yml"))


@pytest.mark.parametrize("severity", ["critical", "warning", "page"])
def test_people_hear_of_what_the_sentinel_hears(severity: str) -> None:
    """An alert that the sentinel takes goes on to people: a route that continues does not fall back to the top."""
    assert receivers(CONFIG / "alertmanager.yml", alertname="A", severity=severity) == [
        "rollback-sentinel",
        "people",
    ]


def test_what_is_not_for_the_sentinel_goes_to_people_alone() -> None:
    """As it did before."""
    assert receivers(CONFIG / "alertmanager.yml", alertname="A", severity="info") == ["people"]


def test_the_charts_snippet_for_alertmanager_tells_people_too(helm: Helm, tmp_path: Path) -> None:
    """What the chart's notes say to add is a configuration that Alertmanager takes, and keeps nothing from people."""
    notes = helm.notes()
    _, _, rest = notes.partition("Add it to the configuration of Alertmanager")
    lines = rest.splitlines()[2:]
    end = next(n for n, line in enumerate(lines) if line and not line.startswith("  "))
    snippet = yaml.safe_load("\n".join(lines[:end]))
    snippet["receivers"].append({"name": "people"})
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(snippet))
    assert receivers(file, alertname="A", severity="critical") == ["rollback-sentinel", "people"]


def target(deployment: str, port: int) -> dict[str, Any]:
    """A pod as Kubernetes' service discovery describes it to Prometheus, before relabelling."""
    meta = {
        "namespace": "shop",
        "pod_name": f"{deployment}-6c54544bf9-x7k2p",
        "pod_controller_kind": "ReplicaSet",
        "pod_controller_name": f"{deployment}-6c54544bf9",
        "pod_annotation_prometheus_io_scrape": "true",
        "pod_annotation_prometheus_io_port": str(port),
    }
    labels = {f"__meta_kubernetes_{name}": value for name, value in meta.items()}
    return {"targets": ["127.0.0.1"], "labels": {**labels, "__metrics_path__": f"/{deployment}"}}


class Shop:
    """Pods that count requests as time goes by, and who is posted the alerts."""

    def __init__(self) -> None:
        self.posted: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._scraped = dict.fromkeys(PODS, 0)

    async def metrics(self, request: web.Request) -> web.Response:
        """A hundred requests more at each scrape."""
        name = request.match_info["deployment"]
        self._scraped[name] += 1
        total = 100 * self._scraped[name]
        failed = total * PODS[name]
        lines = (
            f'http_requests_total{{code="200"}} {total - failed:.0f}',
            f'http_requests_total{{code="500"}} {failed:.0f}',
        )
        return web.Response(text="\n".join(lines) + "\n")

    async def alerts(self, request: web.Request) -> web.Response:
        """Where Alertmanager posts."""
        await self.posted.put(await request.json())
        return web.Response()

    async def serve(self) -> tuple[web.AppRunner, int]:
        """Both on one port of the loopback."""
        app = web.Application()
        app.router.add_post("/webhooks/alertmanager", self.alerts)
        app.router.add_get("/{deployment}", self.metrics)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, runner.addresses[0][1]


def installed(folder: Path, port: int, alertmanager: int) -> None:
    """The shipped files, for these ports, with pods that are given instead of found, and faster."""
    config = yaml.safe_load((CONFIG / "prometheus.yml").read_text())
    config["global"] = dict.fromkeys(config["global"], "1s")
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{alertmanager}"]
    (pods,) = (job for job in config["scrape_configs"] if job["job_name"] == "pods")
    assert pods.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    pods["static_configs"] = [target(name, port) for name in PODS]
    config["scrape_configs"] = [pods]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    rules = (CONFIG / "alerts.yml").read_text().replace("[1m]", "[5s]").replace("for: 30s", "for: 1s")
    (folder / "alerts.yml").write_text(rules)
    text = (CONFIG / "alertmanager.yml").read_text()
    (folder / "alertmanager.yml").write_text(
        text.replace("http://rollback-sentinel:8080", f"http://127.0.0.1:{port}")
    )


async def fired(folder: Path) -> Mapping[str, Any]:
    """The first post that Alertmanager makes while one of three services fails."""
    shop, alertmanager, prometheus = Shop(), free_port(), free_port()
    runner, port = await shop.serve()
    installed(folder, port, alertmanager)
    commands = {
        alertmanager: [
            binary("prometheus-alertmanager", "alertmanager"),
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alerts'}",
            f"--web.listen-address=127.0.0.1:{alertmanager}",
            "--cluster.listen-address=",
        ],
        prometheus: [
            binary("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{prometheus}",
            "--rules.alert.resend-delay=1s",
        ],
    }
    ready = {at: f"http://127.0.0.1:{at}/-/ready" for at in commands}
    try:
        async with (
            running(commands[alertmanager], ready[alertmanager], folder / "alertmanager.log"),
            running(commands[prometheus], ready[prometheus], folder / "prometheus.log"),
            asyncio.timeout(120),
        ):
            return await shop.posted.get()
    finally:
        await runner.cleanup()


@pytest.mark.real_time
async def test_an_alert_names_the_one_service_that_fails(tmp_path: Path) -> None:
    """The alerts aggregate by labels that the scrapes set: of three services, the failing one is named."""
    post = await fired(tmp_path)
    assert post["version"] == "4"
    assert [alert["labels"] for alert in post["alerts"]] == [
        {"alertname": "HighErrorRate", "namespace": "shop", "deployment": "till", "severity": "critical"}
    ]
