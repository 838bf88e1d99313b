"""`sentinel undo` and `sentinel release` as a user types them, beside a daemon and with none running."""

from pathlib import Path

import pytest

from clustersim.node.behaviour import crash_loop
from sentinel.app.commands.rollouts import undoing
from sentinel.domain.record.entries import Action
from sentinel.domain.record.state import Phase, RevisionRef
from sentinel.domain.workload.keeper import Keeper, KeeperRef
from tests.engine.builders import rollout
from tests.engine.snapshots import changed
from tests.support.cli import ONLY_PODS as CRASHING
from tests.support.cli import refusal, sentinel, served
from tests.support.world import NAMESPACE, decision

pytestmark = pytest.mark.real_time


async def test_an_undo_goes_back_to_what_served_before(tmp_path: Path) -> None:
    """Without any record the revision before is put back, said beforehand, and waited for."""
    async with served(tmp_path, daemon=False) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.settle()
        result = await sentinel(here, "undo", "deployment/web", "--yes")
        assert result.exit_code == 0, result.output
        assert here.image() == "web:1"
        assert "from revision 2 (web:2) back to revision 1 (web:1)" in result.output
        assert "fully available again" in result.output


async def test_a_running_sentinel_records_who_asked(tmp_path: Path) -> None:
    """The undo is the rollout's own end, in the name of whoever typed it and with their reason."""
    async with served(tmp_path) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.BAKING, image="web:2", within=20)
        result = await sentinel(here, "undo", "web", "--yes", "--reason", "wrong prices")
        assert result.exit_code == 0, result.output
        assert here.image() == "web:1"
        record = await here.phase(Phase.UNDONE, image="web:2", within=10)
        undo = decision(record, Action.UNDO)
        assert undo.requested_by == "kubernetes-admin"
        assert "wrong prices" in undo.message


PLAIN = CRASHING.replace(
    """
    canary:
      steps: [{weight: 50%, bake: 1s, approval: required}]""",
    "",
)


async def test_a_running_sentinel_goes_back_to_the_revision_that_is_named(tmp_path: Path) -> None:
    """Also past the one before, and it is recorded as that."""
    async with served(tmp_path, PLAIN) as here:
        for image in ("web:2", "web:3"):
            here.cluster.set_image("web", image, namespace=NAMESPACE)
            await here.phase(Phase.PROMOTED, image=image, within=20)
        result = await sentinel(here, "undo", "web", "--to-revision", "1", "--yes")
        assert result.exit_code == 0, result.output
        assert here.image() == "web:1"
        record = await here.phase(Phase.UNDONE, image="web:3", within=10)
        assert record.state.undo is not None
        assert record.state.undo.target.number == 1


async def test_in_observe_mode_the_undo_is_made_with_ones_own_rights(tmp_path: Path) -> None:
    """The sentinel touches nothing there, and says so; people still may."""
    async with served(tmp_path, SENTINEL_MODE="observe") as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.until(lambda: len(here.records()) > 1, within=10)
        result = await sentinel(here, "undo", "web", "--yes")
        assert result.exit_code == 0, result.output
        assert "the sentinel does not undo it: the sentinel is in observe mode" in result.output
        assert here.image() == "web:1"


async def test_an_undo_waits_for_no_sentinel_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that nobody answered is taken back, and the undo made all the same."""
    monkeypatch.setattr(undoing, "ANSWER_WITHIN", 0.5)
    async with served(tmp_path) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.BAKING, image="web:2", within=20)
        await here.stop()
        result = await sentinel(here, "undo", "web", "--yes")
        assert result.exit_code == 0, result.output
        assert "no sentinel answered within 0.5 s" in result.output
        assert here.image() == "web:1"
        assert here.cluster.store.list(here.commands_type()) == []


async def test_an_undo_by_someone_who_may_not_ask(tmp_path: Path) -> None:
    """Whoever may change the Deployment and make no commands is not kept from undoing."""
    async with served(tmp_path) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.BAKING, image="web:2", within=20)
        here.environ["SENTINEL_KUBERNETES__KUBECONFIG"] = str(here.account)
        result = await sentinel(here, "undo", "web", "--yes")
        assert result.exit_code == 0, result.output
        assert "the sentinel could not be asked" in result.output
        assert here.image() == "web:1"


async def test_an_undo_that_is_not_confirmed_changes_nothing(tmp_path: Path) -> None:
    """What will be done is shown first, and a no leaves everything as it is."""
    async with served(tmp_path, daemon=False) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        result = await sentinel(here, "undo", "web", typed="n\n")
        assert result.exit_code == 1
        assert here.image() == "web:2"


async def test_an_undo_to_a_revision_that_was_itself_undone_is_refused(tmp_path: Path) -> None:
    """A human who names a revision is bound by what the records know of it, as the daemon is."""
    async with served(tmp_path, CRASHING) as here:
        here.cluster.behave("web:2", crash_loop())
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.UNDONE, image="web:2", within=30)
        await here.stop()
        result = await sentinel(here, "undo", "web", "--to-revision", "2", "--yes")
        assert "was itself undone" in refusal(result)
        assert here.image() == "web:1"


async def test_a_first_deployment_cannot_be_undone(tmp_path: Path) -> None:
    """Where there is nothing to go back to, one sentence says so and nothing is touched."""
    async with served(tmp_path, daemon=False) as here:
        result = await sentinel(here, "undo", "web", "--yes")
        assert "there is no earlier revision" in refusal(result)
        assert here.image() == "web:1"


async def test_a_revision_that_is_not_there_is_named(tmp_path: Path) -> None:
    """An unknown number is refused with the numbers that there are."""
    async with served(tmp_path, daemon=False) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        result = await sentinel(here, "undo", "web", "--to-revision", "7", "--yes")
        assert "there is no other revision 7" in refusal(result)
        assert "known revisions: 1" in refusal(result)


async def test_an_irreversible_revision_is_not_crossed(tmp_path: Path) -> None:
    """A revision marked irreversible stays, and its reason is said."""

    def migrate(deployment: dict) -> None:  # type: ignore[type-arg]
        template = deployment["spec"]["template"]
        template["metadata"]["annotations"] = {"rollback-sentinel.dev/irreversible": "drops a column"}
        template["spec"]["containers"][0]["image"] = "web:2"

    async with served(tmp_path, daemon=False) as here:
        here.cluster.change("web", migrate, namespace=NAMESPACE)
        result = await sentinel(here, "undo", "web", "--yes")
        assert "drops a column" in refusal(result)
        assert here.image() == "web:2"


async def test_an_undo_lifts_the_sentinels_own_pause(tmp_path: Path) -> None:
    """A canary that a daemon paused before it died is undone in one go."""
    async with served(tmp_path) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.until(here.paused, within=10)
        await here.stop()
        result = await sentinel(here, "undo", "web", "--yes")
        assert result.exit_code == 0, result.output
        assert "the undo also lifts this pause" in result.output
        assert here.image() == "web:1"
        assert not here.paused()


async def test_release_lifts_our_pause_without_a_daemon(tmp_path: Path) -> None:
    """A rollout that a daemon left paused goes on to its end."""
    async with served(tmp_path) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.until(here.paused, within=10)
        await here.stop()
        result = await sentinel(here, "release", "--all", "--yes")
        assert result.exit_code == 0, result.output
        assert "deployment/shop/web: resumed" in result.output
        await here.settle(within=20)
        assert here.pods_of("web:2") == 2


@pytest.mark.parametrize("typed", ["n\n", None])
async def test_release_says_why_a_rollout_is_held_and_asks(tmp_path: Path, typed: str | None) -> None:
    """A no, and nobody to answer, leave the pause where it is; a daemon is not needed for the question."""
    async with served(tmp_path) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.until(here.paused, within=10)
        await sentinel(here, "hold", "web", "--reason", "38 % of the orders fail")
        await here.phase(Phase.HELD, image="web:2", within=5)
        await here.stop()
        result = await sentinel(here, "release", "web", typed=typed)
        assert result.exit_code == (1 if typed else 3), result.output
        assert (
            "(HeldByHuman): kubernetes-admin put the rollout on hold: 38 % of the orders fail"
            in result.output
        )
        assert "after the release it continues to 100%" in result.output
        assert here.paused()
        released = await sentinel(here, "release", "web", typed="y\n")
        assert released.exit_code == 0, released.output
        assert not here.paused()


async def test_an_undo_without_a_terminal_needs_a_yes(tmp_path: Path) -> None:
    """A script that forgot it changes nothing, and is told by an exit code of its own."""
    async with served(tmp_path, daemon=False) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        result = await sentinel(here, "undo", "web")
        assert (result.exit_code, "add --yes" in result.output) == (3, True), result.output
        assert here.image() == "web:2"


async def test_release_leaves_a_humans_pause_alone(tmp_path: Path) -> None:
    """A pause without our mark stays, one by one and with all."""
    async with served(tmp_path, daemon=False) as here:
        here.cluster.pause("web", namespace=NAMESPACE)
        one = await sentinel(here, "release", "web")
        assert "not by the sentinel: this pause stays" in one.output
        every = await sentinel(here, "release", "--all")
        assert "the sentinel has paused no workload" in every.output
        assert here.paused()


async def test_release_wants_to_know_what(tmp_path: Path) -> None:
    """Neither a name nor --all is one sentence."""
    async with served(tmp_path, daemon=False) as here:
        assert "name one workload, or use --all" in refusal(await sentinel(here, "release"))


@pytest.mark.parametrize(("reverts", "held"), [(True, False), (True, True), (False, False)])
def test_an_undo_that_nobody_holds_says_who_takes_it_back(*, reverts: bool, held: bool) -> None:
    """With one's own rights nobody is held: what deploys by itself, and is not held yet, is named with what to do."""
    keeper = Keeper(KeeperRef("Tool", "ops", "shop"), reverts=reverts, held=held)
    workload = changed(rollout(3), keeper=keeper)
    said = "\n".join(undoing.plan(workload, RevisionRef("old", number=1), direct=True))
    assert ("Tool ops/shop takes this undo back" in said) == (reverts and not held)
    assert "Tool ops/shop" in said
