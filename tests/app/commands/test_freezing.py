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
            for words in (
                ("freeze", "--reason", "audit", "--yes"),
                ("freeze",),
                ("unfreeze", "--yes"),
                ("unfreeze",),
            )
        ]
        assert "\nfrozen: within 5 s" in told[0]
        assert told[1] == "already frozen by kubernetes-admin: audit\n"
        assert "unfrozen: " in told[2]
        assert told[3] == "the sentinel was not frozen\n"


async def test_a_thaw_says_who_froze_and_asks(tmp_path: Path) -> None:
    """Whoever froze may have had a reason that still holds."""
    async with served(tmp_path, SENTINEL_LEADERSHIP__ENABLED="true") as here:
        await sentinel(here, "freeze", "--reason", "audit", "--yes", "-n", home(here))
        declined = await sentinel(here, "unfreeze", "-n", home(here), typed="n\n")
        assert declined.exit_code == 1
        assert "frozen by kubernetes-admin: audit" in declined.output
        assert (await sentinel(here, "unfreeze", "-n", home(here))).exit_code == 3
        thawed = await sentinel(here, "unfreeze", "-n", home(here), typed="y\n")
        assert "unfrozen: " in thawed.output


async def test_a_doctor_sees_the_freeze(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wonders why nothing happens finds who threw the switch, and how to lift it."""
    async with served(tmp_path) as here:
        for name, value in here.environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SENTINEL_LEADERSHIP__NAMESPACE", home(here))
        await sentinel(here, "freeze", "--force", "--reason", "audit", "--yes", "-n", home(here))
        told = (await sentinel(here, "doctor")).output
        assert "frozen by kubernetes-admin: audit: the sentinel changes nothing" in told
        assert f"sentinel unfreeze -n {home(here)}" in told


async def test_a_freeze_that_nobody_would_heed_is_refused(tmp_path: Path) -> None:
    """In a namespace without a sentinel it would be a false comfort."""
    async with served(tmp_path, daemon=False) as here:
        assert "of a sentinel is in namespace" in refusal(await sentinel(here, "freeze", "-n", home(here)))
        forced = await sentinel(here, "freeze", "--force", "--yes", "-n", home(here))
        assert "\nfrozen: " in forced.output


async def test_a_freeze_says_what_follows_and_asks_for_the_reason(tmp_path: Path) -> None:
    """Nothing protects releases from then on, and those who find it want to know why."""
    async with served(tmp_path, SENTINEL_LEADERSHIP__ENABLED="true") as here:
        assert (await sentinel(here, "freeze", "-n", home(here))).exit_code == 3
        declined = await sentinel(here, "freeze", "-n", home(here), typed="n\n")
        assert (declined.exit_code, "no longer undone" in declined.output) == (1, True)
        await sentinel(here, "freeze", "-n", home(here), typed="y\naudit\n")
        assert "by kubernetes-admin: audit" in (await sentinel(here, "freeze", "-n", home(here))).output
