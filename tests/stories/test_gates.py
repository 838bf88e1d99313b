"""Stories of a step that waits for a smoke test: a webhook on the loopback says yes, no, or nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from sentinel.domain.errors import ConfigurationError
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase
from tests.stories.conftest import at_rest
from tests.support.world import CANARY_POLICY, NAMESPACE, World, actions, decision, world


class Hook:
    """A smoke test's answers."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.calls = 0

    async def handle(self, request: web.Request) -> web.Response:
        """Answer as told."""
        assert (await request.json())["name"] == "web"
        self.calls += 1
        return web.Response(status=self.status, text="checkout is broken")


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    """A smoke test."""
    made, app = Hook(), web.Application()
    app.router.add_post("/check", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/check"
    try:
        yield made
    finally:
        await runner.cleanup()


def policy(hook: Hook, more: str = "") -> str:
    """The canary policy with a gate at its first step."""
    gate = f"gates: [{{name: smoke, webhook: {{url: '{hook.url}', within: 1m}}{more}}}]"
    return CANARY_POLICY.replace("{weight: 10%, bake: 1m}", f"{{weight: 10%, bake: 1m, {gate}}}")


async def released(here: World) -> None:
    await at_rest(here)
    here.cluster.set_image("web", "web:2", namespace=NAMESPACE)


@pytest.fixture
async def gated(tmp_path: Path, hook: Hook) -> AsyncIterator[World]:
    """A release that a smoke test must agree to."""
    async with world(tmp_path, policy(hook), SENTINEL_GATES__ALLOWED_HOSTS="127.0.0.1") as here:
        yield here


async def test_a_release_goes_on_when_its_smoke_test_passes(gated: World, hook: Hook) -> None:
    """Asked once, at the first step, and then promoted as any other."""
    await released(gated)
    record = await gated.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]
    assert hook.calls == 1


async def test_a_smoke_test_that_fails_for_a_while_is_asked_again(gated: World, hook: Hook) -> None:
    """The step waits meanwhile, says for what, and goes on with the first yes."""
    hook.status = 500
    await released(gated)
    await gated.until(lambda: hook.calls == 2, within=200)
    record = gated.record(image="web:2")
    assert record is not None
    assert (record.state.progress.step, record.state.reason) == (0, "AwaitingGates")
    hook.status = 200
    await gated.phase(Phase.PROMOTED, image="web:2")


async def test_a_smoke_test_that_keeps_failing_holds_the_release(gated: World, hook: Hook) -> None:
    """At its first step, with what the test said; it is not asked any more; a human's word has it asked anew."""
    hook.status = 500
    await released(gated)
    record = await gated.phase(Phase.HELD, image="web:2", within=300)
    held = decision(record, Action.HOLD)
    assert (held.reason, held.escalated) == ("GateFailed", True)
    assert "checkout is broken" in held.message
    assert gated.pods_of("web:2") == 1
    calls = hook.calls
    hook.status = 200
    gated.command("resume")
    await gated.phase(Phase.PROMOTED, image="web:2")
    assert hook.calls == calls + 1


async def test_a_smoke_test_that_keeps_failing_undoes_the_release_where_the_policy_says_so(
    tmp_path: Path, hook: Hook
) -> None:
    """The old image is back, by the gate's name."""
    hook.status = 500
    text = policy(hook, ", onFailure: undo")
    async with world(tmp_path, text, SENTINEL_GATES__ALLOWED_HOSTS="127.0.0.1") as here:
        await released(here)
        record = await here.phase(Phase.UNDONE, image="web:2", within=300)
        assert decision(record, Action.UNDO).rule == "smoke"
        assert here.image() == "web:1"


async def test_a_gate_that_could_never_be_called_keeps_the_daemon_from_starting(
    tmp_path: Path, hook: Hook
) -> None:
    """Said at its place in the rule file, not when a step waits for it."""
    async with world(tmp_path, policy(hook)) as here:
        with pytest.raises(
            ConfigurationError,
            match=r"gates\[0\].webhook.url: .*allowed_hosts in the settings does not include",
        ):
            await here.start()


async def test_a_host_that_the_settings_no_longer_name_is_not_called(gated: World, hook: Hook) -> None:
    """A rollout under way keeps the policy it began with: it is held, and told why."""
    hook.status = 500
    await released(gated)
    await gated.until(lambda: hook.calls == 1, within=200)
    await gated.stop()
    gated.rules(CANARY_POLICY)
    del gated.environ["SENTINEL_GATES__ALLOWED_HOSTS"]
    await gated.start()
    record = await gated.phase(Phase.HELD, image="web:2", within=60)
    assert "gates.allowed_hosts" in decision(record, Action.HOLD).message
    assert hook.calls == 1


async def test_a_restart_goes_on_waiting_for_the_smoke_test(gated: World, hook: Hook) -> None:
    """What was asked is in the record; the next process asks on, and the first yes counts."""
    hook.status = 500
    await released(gated)
    await gated.until(lambda: hook.calls == 2, within=200)
    await gated.restart()
    hook.status = 200
    record = await gated.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == ["advance", "advance", "promote"]
