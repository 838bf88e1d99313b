"""`sentinel freeze` and `unfreeze` as a user types them."""

from pathlib import Path

import pytest

from tests.support.cli import home, refusal, sentinel, served

pytestmark = pytest.mark.real_time


async def test_freeze_and_unfreeze_are_answered(tmp_path: Path) -> None:
    """A second freeze says who was first, a second thaw that there was none."""
    async with served(tmp_path, SENTINEL_LEADERSHIP__ENABLED="true") as here:
        told = [
            (await sentinel(here, *words, "-n", home(here))).output
            for words in (("freeze", "--reason", "audit"), ("freeze",), ("unfreeze",), ("unfreeze",))
        ]
        assert told[0].startswith("frozen: within 5 s")
        assert told[1] == "frozen by kubernetes-admin: audit already\n"
        assert told[2].startswith("unfrozen: ")
        assert told[3] == "nothing was frozen\n"


async def test_a_freeze_that_nobody_would_heed_is_refused(tmp_path: Path) -> None:
    """In a namespace without a sentinel it would be a false comfort."""
    async with served(tmp_path, daemon=False) as here:
        assert "no sentinel runs in namespace" in refusal(await sentinel(here, "freeze", "-n", home(here)))
        forced = await sentinel(here, "freeze", "--force", "-n", home(here))
        assert forced.output.startswith("frozen: ")
