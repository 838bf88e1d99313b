"""`sentinel approve`, `hold`, `resume` and the like against a running daemon."""

from pathlib import Path

import pytest

from clustersim.faults import FaultKind, InjectedFault
from clustersim.node.behaviour import crash_loop
from sentinel.domain.record.state import Phase
from tests.support.cli import refusal, sentinel, served
from tests.support.world import NAMESPACE

pytestmark = pytest.mark.real_time


async def test_hold_resume_and_approve_move_a_rollout(tmp_path: Path) -> None:
    """Held by hand it stays, resumed it goes on, approved it comes to its end; each is answered."""
    async with served(tmp_path) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.BAKING, image="web:2", within=20)
        held = await sentinel(here, "hold", "web", "--reason", "let me look")
        assert held.exit_code == 0, held.output
        await here.phase(Phase.HELD, image="web:2", within=5)
        resumed = await sentinel(here, "resume", "web", "--yes")
        assert resumed.exit_code == 0, resumed.output
        approved = await sentinel(here, "approve", "web", "--yes")
        assert approved.exit_code == 0, approved.output
        await here.phase(Phase.PROMOTED, image="web:2", within=30)


async def test_a_command_that_no_sentinel_answers_is_taken_back(tmp_path: Path) -> None:
    """Nothing is left behind that would come true much later."""
    async with served(tmp_path) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.BAKING, image="web:2", within=20)
        await here.stop()
        result = await sentinel(here, "hold", "web", "--timeout", "1s")
        assert "the command was withdrawn" in refusal(result)
        await here.start()
        assert (await sentinel(here, "approve", "web", "--yes")).exit_code == 0
        await here.phase(Phase.PROMOTED, image="web:2", within=30)


async def test_an_answer_that_cannot_be_read_for_a_moment_is_asked_for_again(tmp_path: Path) -> None:
    """The command may be done meanwhile: an API server that fails once makes no failure of it."""
    async with served(tmp_path) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.BAKING, image="web:2", within=20)
        failing = InjectedFault(FaultKind.ERROR, frozenset({"get"}), "rolloutcommands/.", status=503, count=2)
        here.cluster.faults.add(failing)
        held = await sentinel(here, "hold", "web")
        assert (held.exit_code, failing.struck) == (0, 2), held.output
        await here.phase(Phase.HELD, image="web:2", within=5)


@pytest.mark.parametrize("action", ["resume", "promote", "approve"])
async def test_what_lets_a_held_rollout_go_on_asks_first(tmp_path: Path, action: str) -> None:
    """Why it is held is said; a no, and nobody to answer, leave everything as it is."""
    shown = "(HeldByHuman): kubernetes-admin put the rollout on hold: looks odd"
    async with served(tmp_path) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.BAKING, image="web:2", within=20)
        await sentinel(here, "hold", "web", "--reason", "looks odd")
        declined = await sentinel(here, action, "web", typed="n\n")
        assert (declined.exit_code, shown in declined.output) == (1, True), declined.output
        nobody = await sentinel(here, action, "web")
        assert (nobody.exit_code, "there is no terminal" in nobody.output) == (3, True), nobody.output
        record = await here.phase(Phase.HELD, image="web:2", within=5)
        assert not record.approvals
        assert here.pods_of("web:2") == 1


async def test_an_undone_revision_is_forgiven_only_after_its_fault_was_shown(tmp_path: Path) -> None:
    """The question says what it was undone for; then the person is asked why, as the command line did not say."""
    async with served(tmp_path) as here:
        here.cluster.behave("web:2", crash_loop())
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.UNDONE, image="web:2", within=30)
        assert (await sentinel(here, "forgive", "web")).exit_code == 3
        forgiven = await sentinel(here, "forgive", "web", typed="y\nthe disk was full\n")
        assert forgiven.exit_code == 0, forgiven.output
        assert "candidate pods crashing" in forgiven.output
        (asked,) = here.cluster.store.list(here.commands_type(), NAMESPACE)
        assert asked["spec"]["reason"] == "the disk was full"


async def test_there_must_be_something_to_ask_for(tmp_path: Path) -> None:
    """Without a rollout under way nothing is asked of anyone."""
    async with served(tmp_path) as here:
        assert "has no rollout in progress" in refusal(await sentinel(here, "hold", "web"))
