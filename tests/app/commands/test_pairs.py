"""The commands with pairs."""

import json
from pathlib import Path

import pytest

from clustersim.cluster import JsonObject
from sentinel.domain.record.state import Phase
from tests.stories.blue_green import BLUE, GREEN, blue_green
from tests.stories.pairs import paired
from tests.support.cli import sentinel
from tests.support.world import NAMESPACE

pytestmark = pytest.mark.real_time


async def test_a_pair_is_one_workload_whichever_member_is_named(tmp_path: Path) -> None:
    """It is listed once, asked for by the canary's name, and undone by it without and with a daemon."""
    async with paired(tmp_path) as pair:
        pair.release("web:2")
        await pair.world.until(lambda: pair.weights() == (90, 10), within=30, what="the first step")
        await pair.world.phase(Phase.BAKING, image="web:2", within=30)
        (told,) = json.loads((await sentinel(pair.world, "status", "-o", "json")).output)
        assert (told["kind"], told["workload"], told["phase"]) == ("CanaryPair", "web", "Baking")
        shown = (await sentinel(pair.world, "history", "web")).output
        assert "web:2" in shown
        command = pair.world.command("hold", "web-canary")
        assert (await pair.world.answered(command))[0] == "Done"
        undone = await sentinel(pair.world, "undo", "deployment/web-canary", "--yes")
        assert undone.exit_code == 0, undone.output
        assert "web:1" in undone.output
        await pair.rest(within=30)


async def test_a_pair_is_undone_without_a_daemon(tmp_path: Path) -> None:
    """By the user's rights, from what the records say of the pair."""
    async with paired(tmp_path) as pair:
        pair.release("web:2")
        await pair.world.phase(Phase.BAKING, image="web:2", within=60)
        await pair.world.stop()
        undone = await sentinel(pair.world, "undo", "web", "--yes", "--direct")
        assert undone.exit_code == 0, undone.output
        assert (pair.weights(), pair.image("web-canary")) == ((100, 0), "web:1")


async def test_preflight_checks_a_pair_that_was_never_released(tmp_path: Path) -> None:
    """The rule files pair it; the weights' owner is told, and what is wrong with the route."""
    async with paired(tmp_path, started=False) as pair:
        line = ["preflight", "web", "--config", str(tmp_path / "none.yaml"), "-o", "json"]
        (tmp_path / "none.yaml").write_text(
            f"rules: {{paths: [{tmp_path}/rules]}}\n"
            "kubernetes: {kinds: [Deployment, CanaryPair], routes: [HTTPRoute]}\n"
            f"prometheus: {{url: '{pair.world.cluster.prometheus_url}'}}\n"
        )
        said = (await sentinel(pair.world, *line)).output
        assert "HTTPRoute web: the sentinel moves its weights" in said
        assert "1 pod of the canary beside 6 pods of the stable, for 10% of the requests" in said
        pair.tracked("shop-routes")
        said = (await sentinel(pair.world, *line)).output
        assert "Argo CD Application shop-routes deploys it" in said
        assert ".spec.rules[].backendRefs[].weight" in said
        pair.weigh(0, 0)
        said = (await sentinel(pair.world, *line)).output
        assert "gives neither Service web nor Service web-canary any traffic" in said
        pair.change("web-canary", lambda one: one["spec"]["selector"].update(matchLabels={"app": "web"}))
        said = (await sentinel(pair.world, *line)).output
        assert "the selectors of web and web-canary overlap" in said


async def test_a_blue_green_pair_is_switched_back_without_a_daemon(tmp_path: Path) -> None:
    """By the Service's name; what serves is known by the selector alone."""
    async with blue_green(tmp_path) as pair:
        pair.release("web:2")
        await pair.world.phase(Phase.BAKING, image="web:2", within=60)
        pair.switch(GREEN)
        await pair.world.stop()
        undone = await sentinel(pair.world, "undo", "bluegreen/web", "--yes", "--direct")
        assert undone.exit_code == 0, undone.output
        assert pair.serving() == BLUE


async def test_preflight_checks_a_blue_green_pair(tmp_path: Path) -> None:
    """What its first step is, who deploys its colours, and what keeps the Service from being switched."""
    async with blue_green(tmp_path, started=False) as pair:
        line = ["preflight", "bluegreen/web", "--config", str(tmp_path / "none.yaml"), "-o", "json"]
        (tmp_path / "none.yaml").write_text(
            f"rules: {{paths: [{tmp_path}/rules]}}\nkubernetes: {{kinds: [Deployment, BlueGreen]}}\n"
            f"prometheus: {{url: '{pair.world.cluster.prometheus_url}'}}\n"
        )

        def track(deployment: JsonObject) -> None:
            annotations = deployment["metadata"].setdefault("annotations", {})
            annotations["argocd.argoproj.io/tracking-id"] = f"apps:apps/Deployment:{NAMESPACE}/{BLUE}"

        pair.world.cluster.change(BLUE, track, namespace=NAMESPACE)
        said = (await sentinel(pair.world, *line)).output
        assert "a preview with 6 pods" in said
        assert "Argo CD Application apps deploys it" in said
        pair.change(lambda service: service["spec"].update(selector={"shop": "web"}))
        said = (await sentinel(pair.world, *line)).output
        assert "web-blue and web-green at once" in said
        assert "nothing can be undone: see rolling update" in said
