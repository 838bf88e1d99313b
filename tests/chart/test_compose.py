"""The local set-up: what docker-compose.yaml starts fits together, and the demo comes to rest by real servers."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from typer.testing import CliRunner

from clustersim.ports import free_port
from sentinel.app.commandline import app
from sentinel.app.demo.stage import Front, stage
from tests.support.processes import binary, running

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "compose"

pytestmark = [pytest.mark.real_time]


def services() -> dict[str, Any]:
    """The services of docker-compose.yaml."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    return loaded


def options() -> dict[str, str]:
    """The options of the demo's command."""
    command = services()["sentinel"]["command"]
    return dict(part.removeprefix("--").partition("=")[::2] for part in command if part.startswith("--"))


def test_the_demo_finds_its_simulated_cluster() -> None:
    """The image is the daemon's alone; what plays the cluster is mounted from the checkout where Python finds it."""
    sentinel = services()["sentinel"]
    source, target, mode = sentinel["volumes"][0].split(":")
    assert (ROOT / source / "cluster.py").is_file()
    assert target == f"{sentinel['environment']['PYTHONPATH']}/clustersim"
    assert mode == "ro"


def test_the_demo_knows_its_options() -> None:
    """Each option of the command is one that the demo has."""
    help_page = CliRunner().invoke(app, ["demo", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
    for name in options():
        assert f"--{name}" in help_page


def test_the_sentinel_runs_as_restricted_as_in_the_cluster() -> None:
    """Nothing can be written but /tmp, and there is no capability."""
    sentinel = services()["sentinel"]
    assert sentinel["read_only"] is True
    assert sentinel["cap_drop"] == ["ALL"]
    assert sentinel["tmpfs"] == ["/tmp"]


def test_only_this_machine_reaches_it() -> None:
    """Each port is published on the loopback; the simulated cluster's own are not published."""
    ports = services()["sentinel"]["ports"]
    assert ports == [f"127.0.0.1:{port}:{port}" for port in (8080, 9090, 9093)]
    assert all("ports" not in service for name, service in services().items() if name != "sentinel")


def test_every_mounted_file_is_there() -> None:
    """And of the folder with nothing but such files each is mounted."""
    mounted = {volume.split(":")[0] for s in services().values() for volume in s.get("volumes", ())}
    assert all((ROOT / path).exists() for path in mounted)
    assert set(CONFIG.iterdir()) <= {ROOT / path for path in mounted}


async def test_the_demo_comes_to_rest_by_a_real_prometheus(tmp_path: Path) -> None:
    """With the configuration of compose on free ports: Prometheus sees every pod, and the stage is set."""
    ports = {name: free_port() for name in ("8080", "9090", "9093", "9100")}
    for file in CONFIG.iterdir():
        text = file.read_text()
        for port, free in ports.items():
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}")
        (tmp_path / file.name).write_text(text)
    prometheus = f"http://127.0.0.1:{ports['9090']}"
    command = [
        binary("prometheus"),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{ports['9090']}",
    ]
    alertmanager = f"http://127.0.0.1:{ports['9093']}"
    beside = [
        binary("prometheus-alertmanager", "alertmanager"),
        f"--config.file={tmp_path / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'alerts'}",
        f"--web.listen-address=127.0.0.1:{ports['9093']}",
        "--cluster.listen-address=",
    ]
    front = Front(metrics_port=ports["9100"], http_port=ports["8080"], prometheus=prometheus)
    async with (
        running(beside, f"{alertmanager}/-/ready", tmp_path / "beside"),
        running(command, f"{prometheus}/-/ready", tmp_path / "log"),
        stage(front) as staged,
    ):
        assert staged.application.http.url == f"http://127.0.0.1:{ports['8080']}"
        assert staged.cluster.metrics_url == f"http://127.0.0.1:{ports['9100']}"
        await _the_alerts_find_their_labels(prometheus)
        assert await _found(prometheus, "activeAlertmanagers", "alertmanagers")


async def _the_alerts_find_their_labels(prometheus: str) -> None:
    """Every series that an alert adds up has the labels that it adds up by, and every rule is evaluated."""
    groups = (await _asked(prometheus, "rules"))["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}
    for metric, labels in {
        "http_requests_total": ("namespace", "pod"),
        "kube_deployment_spec_paused": ("namespace", "deployment"),
    }.items():
        series = await _found(prometheus, "result", "query", query=metric)
        assert all(one["metric"].get(label) for one in series for label in labels)


async def _found(prometheus: str, key: str, what: str, **parameters: str) -> Any:
    """What is there at a key of an answer, as soon as it is: Prometheus tells nobody when it has scraped or found."""
    async with asyncio.timeout(120):
        while not (found := (await _asked(prometheus, what, **parameters))[key]):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    return found


async def _asked(prometheus: str, what: str, **parameters: str) -> Any:
    """The data of an answer of Prometheus' API."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{prometheus}/api/v1/{what}", params=parameters) as answer,
    ):
        return (await answer.json())["data"]
