"""The commands that look after a running sentinel: the image's health check and the pod of `helm test`."""

import asyncio
import errno
import json
import os
import sys
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler

from clustersim.ports import free_port
from sentinel.ports import SystemClock
from tests.adapters.http.test_tls import files
from tests.chart.test_image import last_stage
from tests.support.helm import Helm, only
from tests.support.world import world

REFUSED = f"<urlopen error [Errno {errno.ECONNREFUSED}] {os.strerror(errno.ECONNREFUSED)}>"

pytestmark = [pytest.mark.real_time]


async def outcome(command: list[str], **variables: str) -> tuple[int | None, str]:
    """How a command ends whose `python` is this one, and what it says."""
    assert command[0] == "python"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command[1:],
        env={"PATH": os.environ["PATH"], **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


def health_check() -> list[str]:
    """The command of the image's HEALTHCHECK."""
    command: list[str] = json.loads(dict(last_stage())["HEALTHCHECK"].partition("CMD ")[2])
    return command


def helm_test(helm: Helm) -> list[str]:
    """The command of the pod of `helm test`; last come the address and how many seconds it waits."""
    command: list[str] = only(helm.template(), "Pod")["spec"]["containers"][0]["command"]
    return command


def _application(answer: Handler) -> web.Application:
    application = web.Application()
    application.router.add_get("/{path}", answer)
    return application


async def test_they_pass_while_the_sentinel_is_well(helm: Helm, tmp_path: Path) -> None:
    """Against a running daemon both end with 0; `helm test` says what it has seen."""
    async with world(tmp_path, now=SystemClock().now, confined=False) as here:
        await here.start()
        assert here.application is not None
        url = here.application.http.url
        port = url.rpartition(":")[2]
        assert (await outcome(health_check(), SENTINEL_HTTP__PORT=port))[0] == 0
        *command, service, patience = helm_test(helm)
        assert service == "http://rollback-sentinel:8080"
        assert await outcome([*command, url, patience]) == (0, "/readyz is healthy\n/metrics is healthy\n")


@pytest.mark.parametrize("client_ca", [False, True])
async def test_the_health_check_passes_with_tls_turned_on(tmp_path: Path, client_ca: bool) -> None:
    """By variables or the settings file, whatever name the certificate is for; also where posts must show one."""
    tls = files(tmp_path, trustme.CA(), trustme.CA() if client_ca else None, name="sentinel.example")
    async with world(
        tmp_path,
        now=SystemClock().now,
        confined=False,
        SENTINEL_HTTP__TLS__CERT_FILE=str(tls.certificate),
        SENTINEL_HTTP__TLS__KEY_FILE=str(tls.key),
        **({"SENTINEL_HTTP__TLS__CLIENT_CA_FILE": str(tls.client_ca)} if client_ca else {}),
    ) as here:
        await here.start()
        assert here.application is not None
        port = here.application.http.url.rpartition(":")[2]
        ours = {name: value for name, value in here.environ.items() if "__TLS__" in name}
        assert await outcome(health_check(), SENTINEL_HTTP__PORT=port, **ours) == (0, "")
        settings = tmp_path / "sentinel.yaml"
        settings.write_text(
            f"http: {{port: {port}, tls: {{cert_file: {tls.certificate}, key_file: {tls.key}}}}}"
        )
        assert await outcome(health_check(), SENTINEL_CONFIG=str(settings)) == (0, "")
        status, said = await outcome(health_check(), SENTINEL_HTTP__PORT=port)
        assert (status, said.count("\n")) == (1, 1)


async def test_they_fail_where_nobody_listens(helm: Helm) -> None:
    """Both end with something else than 0."""
    port = str(free_port())
    assert (await outcome(health_check(), SENTINEL_HTTP__PORT=port))[0] != 0
    *command, _, _ = helm_test(helm)
    url = f"http://127.0.0.1:{port}"
    status, said = await outcome([*command, url, "0"])
    assert (status, said) == (1, f"{url}/readyz did not answer within 0 s: {REFUSED}\n")


async def test_helm_test_waits_for_a_sentinel_that_still_starts(helm: Helm) -> None:
    """`helm test` right after the installation, before a pod is ready, passes once one is."""
    answers = iter([503, 503, 200, 200])
    *command, _, patience = helm_test(helm)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=next(answers), text="ok sentinel_queue_depth 0")

    async with TestServer(_application(answer)) as server:
        assert (await outcome([*command, str(server.make_url("")).rstrip("/"), patience]))[0] == 0
