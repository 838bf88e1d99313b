"""Stories in which a rollout is in flight while the daemon is upgraded: the new one carries on from the old record.

`recorded/records-<commit>.json` holds what the daemon of that commit wrote when the simulated cluster was brought
to the same moments, as the functions of this module do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from clustersim.api.types.schemas import prune
from clustersim.metrics.traffic import Quality
from clustersim.storage.resources import ResourceType
from sentinel.adapters.kubernetes.custom.crd import definitions
from sentinel.adapters.kubernetes.custom.former_schema import FORMER_FIELDS
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from tests.support.world import NAMESPACE, World, actions

RECORDED = Path(__file__).parent / "recorded"
FORMER = ("58e7ef3", "c03d83e")
"""The commits whose records are read: the newer one counts steps from 1."""


def recorded(commit: str) -> dict[str, dict[str, Any]]:
    """What that commit's daemon had written, by moment."""
    found: dict[str, dict[str, Any]] = orjson.loads((RECORDED / f"records-{commit}.json").read_bytes())
    return found


async def progressing(shop: World) -> None:
    """The first step's pods are starting, under our pause."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.until(shop.paused)
    await shop.phase(Phase.PROGRESSING, image="web:2")


async def baking(shop: World) -> None:
    """The second step bakes, under our pause."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)

    def second_step() -> bool:
        record = shop.record(image="web:2")
        return record is not None and record.state.phase is Phase.BAKING and record.state.progress.step == 1

    await shop.until(second_step)


async def held(shop: World) -> None:
    """The first step has no evidence, since Prometheus is away."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    shop.cluster.prometheus.status = 503
    await shop.phase(Phase.HELD, image="web:2", within=300)


async def resumed(shop: World) -> None:
    """A person held the first step and let it go on."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.BAKING, image="web:2")
    await shop.answered(shop.command("hold"))
    await shop.phase(Phase.HELD, image="web:2")
    await shop.answered(shop.command("resume"))
    await shop.phase(Phase.BAKING, image="web:2")


async def undoing(shop: World) -> None:
    """The second step was bad, and the old pods are coming back."""
    await baking(shop)
    shop.cluster.serve("web:2", Quality(errors=0.12))
    await shop.phase(Phase.UNDOING, image="web:2")


async def guarded(shop: World) -> None:
    """The candidate was promoted a moment ago."""
    shop.cluster.set_image("web", "web:2", namespace=NAMESPACE)
    await shop.phase(Phase.PROMOTED, image="web:2")


async def upgraded(shop: World, reach: Callable[[World], Awaitable[None]], commit: str) -> None:
    """Bring the cluster to the moment, have the former daemon's record there, and start the daemon on it."""
    await reach(shop)
    present = shop.record(image="web:2")
    assert present is not None
    await shop.stop()
    former = recorded(commit)[reach.__name__]

    def written(kept: Any) -> None:
        kept["spec"] = {**former["spec"], "workload": kept["spec"]["workload"]}
        kept["status"] = former["status"]

    shop.cluster.store.mutate(records_type(shop), NAMESPACE, present.name, written)
    shop.cluster.prometheus.status = None
    await shop.start()


def records_type(shop: World) -> ResourceType:
    """The resource of the RolloutRecords."""
    found = shop.cluster.api.registry.find("rollback-sentinel.dev", "v1", "rolloutrecords")
    assert found is not None
    return found


def assert_saved_in_the_present_form(shop: World, record: Record) -> None:
    """Nothing of the former form is left in the object."""
    status = shop.cluster.store.get(records_type(shop), NAMESPACE, record.name)["status"]
    assert "progress" in status
    assert not {name for names in FORMER_FIELDS.values() for name in names} & set(status)


@pytest.mark.parametrize("commit", FORMER)
@pytest.mark.parametrize(
    ("reach", "decided"),
    [
        (progressing, ["advance", "advance", "promote"]),
        (baking, ["advance", "advance", "promote"]),
        (held, ["hold", "resume", "advance", "advance", "promote"]),
        (resumed, ["hold", "resume", "advance", "advance", "promote"]),
    ],
)
async def test_a_rollout_in_flight_goes_on_under_the_new_daemon(
    shop: World, reach: Callable[[World], Awaitable[None]], decided: list[str], commit: str
) -> None:
    """Every step is passed once, a person's resume is not taken for a new one, and our pause is ours to release."""
    await upgraded(shop, reach, commit)
    record = await shop.phase(Phase.PROMOTED, image="web:2")
    assert actions(record) == decided
    assert [entry.step for entry in record.decisions if entry.action == "advance"] == [1, 2]
    assert shop.pods_of("web:2") == 10
    assert not shop.paused()
    assert_saved_in_the_present_form(shop, record)


@pytest.mark.parametrize("commit", FORMER)
async def test_an_undo_under_way_is_seen_through(shop: World, commit: str) -> None:
    """It is not made a second time."""
    await upgraded(shop, undoing, commit)
    record = await shop.phase(Phase.UNDONE, image="web:2", within=300)
    assert actions(record) == ["advance", "undo", "restored"]
    assert record.state.undo is not None
    assert record.state.undo.fault_at is not None
    assert shop.image() == "web:1"
    assert_saved_in_the_present_form(shop, record)


@pytest.mark.parametrize("commit", FORMER)
async def test_a_promoted_revision_stays_guarded(shop: World, commit: str) -> None:
    """An alert within the guard window still undoes it."""
    await upgraded(shop, guarded, commit)
    await shop.post_alerts(shop.alert(deployment="web"))
    record = await shop.phase(Phase.UNDONE, image="web:2", within=300)
    assert actions(record) == ["advance", "advance", "promote", "undo", "restored"]
    assert_saved_in_the_present_form(shop, record)


@pytest.mark.parametrize("commit", FORMER)
def test_the_definition_drops_nothing_of_a_former_record(commit: str) -> None:
    """An upgraded definition would drop what it does not know from the records in flight, before they are read."""
    (definition,) = (d for d in definitions() if d["spec"]["names"]["kind"] == "RolloutRecord")
    (version,) = definition["spec"]["versions"]
    for moment, former in recorded(commit).items():
        assert prune(version["schema"]["openAPIV3Schema"], former) == [], moment
