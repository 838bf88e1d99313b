"""Who keeps a pair: each member has a keeper, and with Flux each can be left out by itself."""

from __future__ import annotations

from datetime import UTC, datetime

from sentinel.adapters.kubernetes.workloads.pairs.members import PairMember, keeper_of, trim_member
from sentinel.domain.workload.keeper import Keeper, KeeperMark, KeeperRef
from sentinel.domain.workload.revision import ObjectRef

T0 = datetime(2026, 11, 1, 12, tzinfo=UTC)
MARK = KeeperMark(("shop/web-1",), T0, {})


def member(name: str, *, kept: bool = True, mark: KeeperMark | None = None) -> PairMember:
    """A Deployment that Flux can leave out by itself."""
    ref = KeeperRef("Flux Kustomization", "flux-system", "apps")
    keeper = Keeper(ref, reverts=True, on=ObjectRef("apps/v1", "Deployment", "shop", name), mark=mark)
    raw = {"metadata": {"namespace": "shop", "name": name}, "spec": {"template": {"spec": {}}}}
    return PairMember(trim_member(raw), keeper=keeper if kept else None)


def on(*members: PairMember) -> str | None:
    """The member on which a hold of the pair is, or would be."""
    found = keeper_of(members)
    return found.on.name if found is not None and found.on is not None else None


def test_the_member_with_the_candidate_is_held() -> None:
    """It comes first; one that nobody keeps is passed over."""
    assert on(member("web-canary"), member("web")) == "web-canary"
    assert on(member("web-canary", kept=False), member("web")) == "web"
    assert on(member("web", kept=False)) is None


def test_a_member_that_is_held_stays_the_one_to_look_at() -> None:
    """Also once the other one has the candidate, as after an undo."""
    assert on(member("web-canary"), member("web", mark=MARK)) == "web"
