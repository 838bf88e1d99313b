"""Each kind of end has its own exit code, whatever the command."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from clustersim.ports import free_port
from sentinel.app import cli, commandline
from sentinel.app.commandline import app
from sentinel.app.commands.rollouts.waiting import WaitResult
from sentinel.app.exitcodes import ExitCode, UsageError, code_of
from sentinel.domain.errors import (
    ClusterUnavailableError,
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    NoticeError,
    PreconditionError,
    SentinelError,
    SourceError,
)
from sentinel.version import installed_version
from tests.support.cli import served
from tests.support.world import NAMESPACE

PAGE = (Path(__file__).parents[2] / "docs" / "exit-codes.md").read_text()
CLOSED = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:PORT"}}]
users: [{name: u, user: {}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""
SENTINEL = Path(sys.executable).parent / "sentinel"


async def program(*words: str, **environ: str) -> tuple[int | None, str]:
    """Run the real program: its exit code and what it says on stderr."""
    process = await asyncio.create_subprocess_exec(
        SENTINEL, *words, env={**os.environ, **environ}, stdout=asyncio.subprocess.DEVNULL, stderr=-1
    )
    _, said = await process.communicate()
    return process.returncode, said.decode()


@pytest.mark.parametrize(
    "line",
    [
        ("nonsense",),
        ("--nonsense",),
        ("wait",),
        ("wait", "web", "--nonsense"),
        ("wait", "web", "also"),
        ("rules", "nonsense"),
        ("rules", "test", "--min-coverage", "much"),
        ("rules", "presets", "nonsense"),
        (),
        ("rules",),
    ],
)
def test_wrong_usage_is_64_wherever_it_is_found(line: tuple[str, ...]) -> None:
    """Neither 1 nor 2, which are answers."""
    assert CliRunner().invoke(app, line).exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("--for: soon is no time"), 64),
        (ConfigurationError("no kubeconfig at /nowhere"), 78),
        (NotFoundError("there is no Deployment web"), 66),
        (ForbiddenError("our account lacks the verb 'get'"), 77),
        (ClusterUnavailableError("no answer within 10 s"), 69),
        (ConflictError("it changed meanwhile"), 69),
        (SourceError("Prometheus cannot be reached", reason="Unreachable"), 69),
        (NoticeError("Slack cannot be reached"), 69),
        (PreconditionError("there is nothing to approve"), 1),
        (SentinelError("something else"), 69),
    ],
)
def test_each_kind_of_error_has_its_code(error: SentinelError, code: int) -> None:
    """The same in every command."""
    assert code_of(error) == code


def test_no_failure_looks_like_a_verdict() -> None:
    """The codes of `wait` are below those of failures; below them are only answers."""
    failures = set(ExitCode) - {ExitCode.YES, ExitCode.NO, ExitCode.UNCONFIRMED}
    assert max(WaitResult) < min(failures)


def test_the_page_documents_every_code() -> None:
    """Those of all commands in one table, those of `wait` with their verdicts in the other."""
    everyones, of_wait = PAGE.split("`sentinel wait` never asks", 1)
    assert set(map(int, re.findall(r"(?m)^\| (\d+) \|", everyones))) == set(ExitCode)
    rows = re.findall(r"(?m)^\| (\d+) \| `([\w-]+)` \|", of_wait)
    assert [(int(code), verdict) for code, verdict in rows] == [(int(v), str(v)) for v in WaitResult]


def test_what_is_documented_in_yaml_can_be_read() -> None:
    """The example for a workflow."""
    (block,) = re.findall(r"(?ms)^```yaml\n(.*?)^```", PAGE)
    assert yaml.safe_load(block)


def test_the_version_can_be_asked_for() -> None:
    """On stdout, with exit code 0."""
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"sentinel {installed_version()}\n")


def test_a_defect_is_no_verdict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An exception that nobody expected is a traceback and 70; Python's own 1 would be taken for undone."""

    def broken(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(commandline, "app", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == ExitCode.DEFECT
    assert "ZeroDivisionError" in capsys.readouterr().err


def code(*words: str) -> int:
    """The exit code of a command, as `main` makes it."""
    result = CliRunner().invoke(app, words)
    return code_of(result.exception) if isinstance(result.exception, SentinelError) else result.exit_code


@pytest.mark.real_time
@pytest.mark.parametrize(
    "command", [("wait", "web"), ("status",), ("explain", "web"), ("undo", "web", "--yes")]
)
def test_a_cluster_out_of_reach_is_neither_held_nor_undone(command: tuple[str, ...], tmp_path: Path) -> None:
    """Where nobody listens it is no answer; where there is no kubeconfig, a file that is wrong."""
    closed = tmp_path / "closed"
    closed.write_text(CLOSED.replace("PORT", str(free_port())))
    codes = [code(*command, "-n", "shop", "--kubeconfig", str(file)) for file in (closed, tmp_path / "none")]
    assert codes == [69, 78]


@pytest.mark.real_time
async def test_what_is_not_there_and_what_cannot_be_meant_are_told_apart(tmp_path: Path) -> None:
    """By the program itself: no Deployment of that name, and a kind that is not guarded."""
    async with served(tmp_path, daemon=False) as here:
        at = ("-n", NAMESPACE, "--kubeconfig", here.environ["SENTINEL_KUBERNETES__KUBECONFIG"])
        ends = await asyncio.gather(program("wait", "nope", *at), program("wait", "job/web", *at))
    assert [status for status, _said in ends] == [66, 64]
    assert all(said.startswith("sentinel: ") and said.count("\n") == 1 for _status, said in ends), ends


@pytest.mark.real_time
async def test_an_interrupt_is_no_verdict(tmp_path: Path) -> None:
    """Ctrl-C, and a pipeline that cancels its step: 130."""
    async with served(tmp_path) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        kubeconfig = here.environ["SENTINEL_KUBERNETES__KUBECONFIG"]
        process = await asyncio.create_subprocess_exec(
            SENTINEL,
            "wait",
            "web",
            "-n",
            NAMESPACE,
            "--kubeconfig",
            kubeconfig,
            stdout=asyncio.subprocess.PIPE,
            # A shell has its background jobs ignore this signal, and so would what the tests start there.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert process.stdout is not None
        assert await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert await process.wait() == ExitCode.INTERRUPTED
