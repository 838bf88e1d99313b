"""`sentinel approve`, `hold`, `resume` and the like against a running daemon."""

from pathlib import Path

import pytest

from sentinel.domain.record import Phase
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
        resumed = await sentinel(here, "resume", "web")
        assert resumed.exit_code == 0, resumed.output
        approved = await sentinel(here, "approve", "web")
        assert approved.exit_code == 0, approved.output
        await here.phase(Phase.PROMOTED, image="web:2", within=30)


async def test_a_command_that_no_sentinel_answers_is_taken_back(tmp_path: Path) -> None:
    """Nothing is left behind that would come true much later."""
    async with served(tmp_path) as here:
        here.cluster.set_image("web", "web:2", namespace=NAMESPACE)
        await here.phase(Phase.BAKING, image="web:2", within=20)
        await here.stop()
        result = await sentinel(here, "hold", "web", "--timeout", "1s")
        assert "the command was taken back" in refusal(result)
        await here.start()
        assert (await sentinel(here, "approve", "web")).exit_code == 0
        await here.phase(Phase.PROMOTED, image="web:2", within=30)


async def test_there_must_be_something_to_ask_for(tmp_path: Path) -> None:
    """Without a rollout under way nothing is asked of anyone."""
    async with served(tmp_path) as here:
        assert "has no rollout under way" in refusal(await sentinel(here, "hold", "web"))
