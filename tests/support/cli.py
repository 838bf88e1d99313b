"""The command line beside a simulated cluster that serves on this process's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

from click.testing import Result
from typer.testing import CliRunner

from sentinel.app.commandline import app
from sentinel.app.commands.rollouts import confirming
from sentinel.domain.errors import SentinelError
from tests.support.world import NAMESPACE, World, world

ONE_BY_ONE = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
ONLY_PODS = """
apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: shop}
spec:
  match: {kinds: [Deployment], namespaces: [shop]}
  strategy:
    canary:
      steps: [{weight: 50%, bake: 1s, approval: required}]
    bake: 1s
  rules: [{name: crash-loop, crashLoop: {}}]
"""


async def sentinel(here: World, *words: str, typed: str | None = None) -> Result:
    """Run a command against the world's cluster while that goes on; the result keeps an error that a user sees.

    `typed` is what somebody types at a terminal; without it there is none.
    """
    line = [*words, "--kubeconfig", here.environ["SENTINEL_KUBERNETES__KUBECONFIG"]]
    if words[0] != "doctor" and "-n" not in words:
        line += ["-n", NAMESPACE]
    with patch.object(confirming, "at_terminal", lambda: typed is not None):
        result = await asyncio.to_thread(CliRunner().invoke, app, line, input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit | SentinelError):
        raise result.exception
    return result


def refusal(result: Result) -> str:
    """The one sentence that a command ended with."""
    assert isinstance(result.exception, SentinelError), result.output
    return str(result.exception)


def home(here: World) -> str:
    """The namespace that the daemon takes for its own."""
    return here.environ.get("SENTINEL_LEADERSHIP__NAMESPACE", "default")


@asynccontextmanager
async def served(
    folder: Path, policy: str = ONLY_PODS, *, daemon: bool = True, **environ: str
) -> AsyncIterator[World]:
    """A cluster on the real clock with two pods of `web:1`, fully rolled out, and a daemon that has seen it so."""
    async with world(folder, policy, now=lambda: datetime.now(UTC), **environ) as here:
        here.cluster.deploy("web", "web:1", 2, namespace=NAMESPACE, strategy=ONE_BY_ONE)
        await here.settle()
        if daemon:
            await here.start()
            await here.until(lambda: bool(here.records()), within=10, what="web is on record")
        yield here
