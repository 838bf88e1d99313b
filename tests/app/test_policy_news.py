"""What people hear of policies that are objects."""

from __future__ import annotations

from typing import Any

import pytest

from sentinel.adapters.kubernetes.custom.policy_objects import PolicyObject
from sentinel.app.policy_objects import SHOWN, news_of
from sentinel.domain.notice import BulletinKind
from sentinel.policies.inforce import ObjectStanding
from sentinel.policies.mistakes import InputError

MISTAKE = ("spec", "mode"), InputError("'enfroce' is no mode", "did you mean enforce?")


def answered(
    *, refused: bool, generation: int = 2, before: tuple[str, int] | None = None, name: str = "web"
) -> tuple[PolicyObject, ObjectStanding]:
    """A policy whose former status says `before`, if anything, and what became of it now."""
    status: dict[str, Any] = {}
    if before is not None:
        condition = {"type": "Accepted", "status": before[0]}
        status = {"observedGeneration": before[1], "conditions": [condition]}
    policy = PolicyObject("shop", name, "u1", generation, {}, status)
    return policy, ObjectStanding("u1", generation, None, (MISTAKE,) if refused else ())


@pytest.mark.parametrize(
    ("refused", "before", "kinds"),
    [
        (True, None, ["policies-refused"]),
        (True, ("True", 1), ["policies-refused"]),
        (True, ("False", 1), ["policies-refused"]),
        (True, ("False", 2), []),
        (False, None, []),
        (False, ("True", 1), []),
        (False, ("False", 1), ["policies-fixed"]),
    ],
)
def test_a_refusal_is_told_once_a_generation_and_its_end_as_well(
    refused: bool, before: tuple[str, int] | None, kinds: list[str]
) -> None:
    """Also by a process that was just started: the status says what was told."""
    assert [news.kind.value for news in news_of([answered(refused=refused, before=before)])] == kinds


def test_a_notice_names_the_policy_the_field_and_what_would_be_right() -> None:
    """And what is in force meanwhile."""
    (news,) = news_of([answered(refused=True)])
    assert (news.kind, news.title) == (
        BulletinKind.POLICIES_REFUSED,
        "RolloutPolicy shop/web is refused",
    )
    assert news.lines == (
        "RolloutPolicy shop/web, generation 2: spec.mode: 'enfroce' is no mode (did you mean enforce?); "
        "no generation of it is in force",
    )


def test_many_at_once_are_one_notice() -> None:
    """A change of the settings may refuse every policy."""
    (news,) = news_of([answered(refused=True, name=f"p{n}") for n in range(40)])
    assert news.title == "40 policies are refused"
    assert len(news.lines) == SHOWN + 1
    assert news.lines[-1] == f"and {40 - SHOWN} more"
