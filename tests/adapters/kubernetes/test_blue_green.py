"""Blue-green pairs on raw objects: who serves, what is news, and what a change comes to."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from clustersim.storage.api_errors import ApiError
from clustersim.storage.patching import json_patch
from sentinel.adapters.kubernetes.api.resources import SERVICES
from sentinel.adapters.kubernetes.workloads.changer import WorkloadChanger
from sentinel.adapters.kubernetes.workloads.pairs.blue_green_changes import BLUE_GREEN
from sentinel.adapters.kubernetes.workloads.pairs.colours import UNCONFIRMED_ANNOTATION
from sentinel.adapters.kubernetes.workloads.pairs.driver import neutral_digest
from sentinel.adapters.kubernetes.workloads.pairs.members import Attached, PairMember, trim_member
from sentinel.domain.decision import Adopt, Change, LookAgain, Prepare, Release, Restore
from sentinel.domain.errors import InvalidObjectError, PreconditionError
from sentinel.domain.record.state import RevisionRef
from sentinel.domain.workload.facts import Ability, Workload, WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.domain.workload.pairing import Pairing
from tests.adapters.kubernetes.interleaving import interleaved

JsonObject = dict[str, Any]
KEY = WorkloadKey(WorkloadKind.BLUE_GREEN, "shop", "web")
PAIRING = Pairing(
    WorkloadKind.BLUE_GREEN,
    "web",
    ("web-blue", "web-green"),
    preview="web-preview",
    kept=timedelta(minutes=30),
)


def deployment(colour: str, image: str, replicas: int = 4, ready: int | None = None) -> JsonObject:
    labels = {"app": "web", "colour": colour}
    ready = replicas if ready is None else ready
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image}]}}
    return {
        "metadata": {"namespace": "shop", "name": f"web-{colour}", "uid": colour, "generation": 1},
        "spec": {"replicas": replicas, "selector": {"matchLabels": dict(labels)}, "template": template},
        "status": {
            "observedGeneration": 1,
            "replicas": replicas,
            "updatedReplicas": replicas,
            "readyReplicas": ready,
            "availableReplicas": ready,
        },
    }


def service(name: str = "web", colour: str = "blue") -> JsonObject:
    metadata = {"namespace": "shop", "name": name, "uid": name, "annotations": {}}
    return {"metadata": metadata, "spec": {"selector": {"app": "web", "colour": colour}}}


class Objects:
    """The live objects of a pair of which blue serves `web:1`."""

    def __init__(self, *, green: str = "web:2", replicas: int = 4, ready: int | None = None) -> None:
        self.blue = deployment("blue", "web:1")
        self.green = deployment("green", green, replicas, ready)
        self.service, self.preview = service(), service("web-preview")

    def seen(self) -> Workload:
        """The snapshot of them."""
        beside = {(SERVICES, one["metadata"]["name"]): one for one in (self.service, self.preview) if one}
        members = {
            one["metadata"]["name"]: PairMember(trim_member(one)) for one in (self.blue, self.green) if one
        }
        found = BLUE_GREEN.assemble(KEY, PAIRING, members, Attached(beside, {}), frozenset())
        assert found is not None
        return found

    def live(self) -> list[JsonObject]:
        """As the changer reads them."""
        return [one for one in (self.blue, self.green, self.service, self.preview) if one]

    def make(self, change: Change, stored: JsonObject | None = None) -> str:
        """Plan the change and patch the objects; what the plan says."""
        plan = BLUE_GREEN.plan(self.live(), self.seen(), change, stored or {})
        by_name = {one["metadata"]["name"]: one for one in self.live()}
        for patch in (*plan.patches, *plan.confirmed):
            patched = json_patch(by_name[patch.name], list(patch.operations))
            by_name[patch.name].clear()
            by_name[patch.name].update(patched)
        return plan.sentence

    def of(self, raw: JsonObject) -> RevisionRef:
        """The revision that one of them has."""
        return RevisionRef(neutral_digest(raw), "", 0, ())

    def serving(self) -> str:
        return str(self.service["spec"]["selector"]["colour"])


def why_not(objects: Objects) -> str:
    return objects.seen().abilities.why_not.get(Ability.STEPPING, "")


def test_the_other_colours_template_is_the_candidate() -> None:
    """The same template in both is none."""
    objects = Objects()
    assert objects.seen().candidate.digest == neutral_digest(objects.green)
    same = Objects(green="web:1").seen()
    assert same.candidate.digest == neutral_digest(objects.blue)
    assert same.rolled_out


def test_the_switch_is_one_patch_that_tests_what_was_judged() -> None:
    """The selector that was read, the Service's uid; and it notes what each colour has."""
    objects = Objects()
    (patch,) = BLUE_GREEN.plan(objects.live(), objects.seen(), Adopt(objects.of(objects.green)), {}).patches
    assert (patch.resource, patch.name) == (SERVICES, "web")
    switched, remade = deepcopy(objects.service), deepcopy(objects.service)
    switched["spec"]["selector"]["colour"] = "green"
    remade["metadata"]["uid"] = "another"
    for other in (switched, remade):
        with pytest.raises(ApiError):
            json_patch(other, list(patch.operations))
    assert "4 ready pods" in objects.make(Adopt(objects.of(objects.green)))
    assert objects.serving() == "green"
    assert objects.seen().rolled_out
    assert not objects.seen().exposure.standby.in_place  # type: ignore[union-attr]


async def test_a_colour_that_changes_while_it_is_switched_to_gets_no_requests() -> None:
    """The Service's patch cannot test the Deployment: requests and the note go back, and the change is refused."""
    objects = Objects()
    judged, before = objects.seen(), deepcopy(objects.service)

    def release() -> None:
        objects.green["spec"]["template"]["spec"]["containers"][0]["image"] = "web:3"

    server = interleaved(objects.live, "web", release)
    with pytest.raises(PreconditionError, match=r"the pod template of .* was changed by"):
        await WorkloadChanger(server).apply(judged, Adopt(objects.of(objects.green)), timeout=5)
    assert objects.service == before


async def test_a_colour_that_is_switched_back_to_while_it_is_let_go_has_its_pods_again() -> None:
    """Somebody points the Service at it in the very moment in which it is scaled to 0."""
    objects = Objects()
    objects.make(Adopt(objects.of(objects.green)))

    def switch_back() -> None:
        objects.service["spec"]["selector"]["colour"] = "blue"

    server = interleaved(objects.live, "web-blue", switch_back)
    await WorkloadChanger(server).apply(objects.seen(), Release(), timeout=5)
    assert (objects.serving(), objects.blue["spec"]["replicas"]) == ("blue", 4)


@pytest.mark.parametrize(("replicas", "ready"), [(4, 3), (3, 3), (0, 0)])
def test_unready_pods_are_not_switched_to(replicas: int, ready: int) -> None:
    """Read just before the write: as many as serve, and all of them."""
    objects = Objects(replicas=replicas, ready=ready)
    with pytest.raises(PreconditionError, match=f"web-green has {ready} of 4 pods ready: requests stay"):
        objects.make(Adopt(objects.of(objects.green)))
    assert objects.serving() == "blue"


def test_a_controller_that_lags_behind_has_no_ready_pods_to_tell() -> None:
    """Its counts are of the template before."""
    objects = Objects()
    objects.green["metadata"]["generation"] = 2
    with pytest.raises(PreconditionError, match="web-green has 0 of 4 pods ready"):
        objects.make(Adopt(objects.of(objects.green)))


def test_pods_are_brought_up_and_previewed() -> None:
    """As many as serve; once is enough; scaled to 0 before, at least what it had then."""
    objects = Objects(replicas=0)
    objects.green["metadata"]["annotations"] = {"rollback-sentinel.dev/replicas": "6"}
    change = Prepare(objects.of(objects.green))
    assert "0 of 6 pods ready" in objects.make(change)
    assert objects.green["spec"]["replicas"] == 6
    assert objects.green["metadata"]["annotations"] == {}
    assert objects.preview["spec"]["selector"]["colour"] == "green"
    assert BLUE_GREEN.plan(objects.live(), objects.seen(), change, {}).patches == ()
    standby = objects.seen().exposure.standby
    assert standby is not None
    assert standby.prepared


def test_an_undo_is_not_made_again_when_people_switch_back_after_it() -> None:
    """Its answer was lost, and requests were sent to the candidate again: the Service tells that it was made."""
    objects = Objects()
    objects.make(Adopt(objects.of(objects.green)))
    undo = Restore(objects.of(objects.blue))
    objects.make(undo)
    objects.service["spec"]["selector"]["colour"] = "green"
    with pytest.raises(
        PreconditionError, match="requests were sent to web-green again after the undo"
    ) as refused:
        objects.make(undo)
    assert (objects.serving(), refused.value.reason) == ("green", "TemplateChanged")


def test_a_release_that_takes_over_again_can_be_undone_again() -> None:
    """By our own switch, which forgets the undo before."""
    objects = Objects()
    for _ in range(2):
        objects.make(Adopt(objects.of(objects.green)))
        assert objects.serving() == "green"
        objects.make(Restore(objects.of(objects.blue)))
        assert objects.serving() == "blue"


def test_before_the_switch_an_undo_sets_the_release_aside() -> None:
    """Requests stay; the template is no candidate from then on, and another one is."""
    objects = Objects()
    objects.make(Restore(objects.of(objects.blue)))
    assert objects.serving() == "blue"
    assert objects.seen().candidate.digest == neutral_digest(objects.blue)
    objects.green["spec"]["template"]["spec"]["containers"][0]["image"] = "web:3"
    assert objects.seen().candidate.digest == neutral_digest(objects.green)


def test_after_the_switch_an_undo_switches_back() -> None:
    """And what was replaced is let go, with its number of replicas noted, but never what serves."""
    objects = Objects()
    objects.make(Adopt(objects.of(objects.green)))
    back = deepcopy(objects.of(objects.blue))
    objects.make(Restore(back))
    assert (objects.serving(), objects.seen().candidate.digest) == ("blue", back.digest)
    objects.make(Release())
    assert (objects.green["spec"]["replicas"], objects.blue["spec"]["replicas"]) == (0, 4)
    assert objects.green["metadata"]["annotations"] == {"rollback-sentinel.dev/replicas": "4"}


def test_an_undo_in_place_sets_the_same_template_aside_in_the_other_colour() -> None:
    """Else what was just undone would stand by as a new release."""
    objects = Objects()
    before = deepcopy(objects.blue)
    objects.make(Adopt(objects.of(objects.green)))
    objects.blue["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"
    objects.make(Restore(objects.of(before)), before)
    assert neutral_digest(objects.green) == neutral_digest(before)
    assert (objects.serving(), objects.seen().candidate.digest) == ("green", neutral_digest(before))


def test_pods_with_the_template_of_what_serves_are_let_go() -> None:
    """As after a release that was put back by hand before the switch."""
    objects = Objects()
    objects.make(Prepare(objects.of(objects.green)))
    objects.green["spec"]["template"]["spec"]["containers"][0]["image"] = "web:1"
    objects.make(Release())
    assert (objects.green["spec"]["replicas"], objects.blue["spec"]["replicas"]) == (0, 4)


def test_a_switch_back_by_others_is_told_by_what_was_noted() -> None:
    """The release that they switched away from is not a candidate again."""
    objects = Objects()
    objects.make(Adopt(objects.of(objects.green)))
    objects.service["spec"]["selector"]["colour"] = "blue"
    assert objects.seen().candidate.digest == neutral_digest(objects.blue)


def test_nothing_is_let_go_that_was_never_switched() -> None:
    """What stood by before we came is others' business."""
    objects = Objects(green="web:1")
    assert "nothing to give back" in objects.make(Release())
    assert objects.green["spec"]["replicas"] == 4


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ({"app": "web"}, "Service web selects the pods of web-blue and web-green at once"),
        ({"app": "shop"}, "Service web selects the pods of neither web-blue nor web-green"),
        ({}, "Service web has no selector"),
    ],
)
def test_a_service_that_does_not_tell_who_serves_is_not_switched(selector: dict[str, str], said: str) -> None:
    """One sentence, whether it is read or to be changed."""
    objects = Objects()
    objects.service["spec"]["selector"] = selector
    assert why_not(objects).startswith(said)
    assert objects.seen().abilities.why_not[Ability.ROLLING] == why_not(objects)
    with pytest.raises(InvalidObjectError, match=said):
        objects.make(Adopt(objects.of(objects.green)))


def test_what_else_is_in_the_way_is_named() -> None:
    """A colour or the preview that does not exist, a label that one colour lacks, selectors that overlap."""
    missing, unpreviewed, unlabelled, overlapping = Objects(), Objects(), Objects(), Objects()
    missing.green = {}
    assert why_not(missing) == "there is no Deployment web-green, a colour of Service web"
    unpreviewed.preview = {}
    assert why_not(unpreviewed) == "there is no preview Service web-preview"
    unlabelled.blue["spec"]["template"]["metadata"]["labels"]["tier"] = "front"
    unlabelled.service["spec"]["selector"]["tier"] = "front"
    assert (
        why_not(unlabelled) == "Service web selects by tier, a label that the pods of web-green do not have"
    )
    unserved = Objects()
    unserved.service = {}
    assert why_not(unserved) == "there is no Service web"
    overlapping.green["spec"]["selector"] = overlapping.blue["spec"]["selector"]
    assert why_not(overlapping).startswith("the selectors of web-blue and web-green overlap")


class _KilledError(Exception):
    """The process ends."""


async def cut_off(
    objects: Objects, change: Change, meanwhile: Callable[[], None], patched: str = "web"
) -> None:
    """Make the change, with somebody else's write in the moment of ours; we are gone before the second look."""
    judged = objects.seen()

    class Killed(WorkloadChanger):
        async def _live(self, *args: Any) -> list[JsonObject]:
            found = await super()._live(*args)
            if sum(
                UNCONFIRMED_ANNOTATION in one["metadata"].get("annotations", {}) for one in objects.live()
            ):
                raise _KilledError
            return found

    with pytest.raises(_KilledError):
        await Killed(interleaved(objects.live, patched, meanwhile)).apply(judged, change, timeout=5)


async def look_again(objects: Objects) -> str:
    """What the next process does first."""
    assert objects.seen().exposure.standby.unconfirmed  # type: ignore[union-attr]
    server = interleaved(objects.live, "", lambda: None)
    return await WorkloadChanger(server).apply(objects.seen(), LookAgain(), timeout=5)


async def test_a_switch_that_was_cut_off_before_its_second_look_is_taken_back() -> None:
    """The colour got another template in the moment of the switch: as without the kill, it is news again."""
    objects = Objects()
    before = deepcopy(objects.service)

    def release() -> None:
        objects.green["spec"]["template"]["spec"]["containers"][0]["image"] = "web:3"

    await cut_off(objects, Adopt(objects.of(objects.green)), release)
    assert objects.serving() == "green"
    await look_again(objects)
    assert objects.service == before
    assert objects.seen().candidate.images == ("web:3",)


async def test_a_switch_that_was_cut_off_and_changed_nothing_stands() -> None:
    """It is only confirmed, and so is one after which the colour before has too few pods to serve."""
    for stays in (True, False):
        objects = Objects()

        def shrunk(objects: Objects = objects, stays: bool = stays) -> None:
            if not stays:
                objects.green["spec"]["template"]["spec"]["containers"][0]["image"] = "web:3"
                objects.blue["status"]["readyReplicas"] = 3

        await cut_off(objects, Adopt(objects.of(objects.green)), shrunk)
        await look_again(objects)
        assert objects.serving() == "green"
        assert not objects.seen().exposure.standby.unconfirmed  # type: ignore[union-attr]


async def test_pods_that_a_process_let_go_before_it_was_cut_off_are_back_if_they_serve() -> None:
    """Somebody points the Service at them in the very moment; else they stay gone."""
    for wanted in (True, False):
        objects = Objects()
        objects.make(Adopt(objects.of(objects.green)))

        def switch_back(objects: Objects = objects, wanted: bool = wanted) -> None:
            if wanted:
                objects.service["spec"]["selector"]["colour"] = "blue"

        await cut_off(objects, Release(), switch_back, patched="web-blue")
        assert objects.blue["spec"]["replicas"] == 0
        await look_again(objects)
        assert objects.blue["spec"]["replicas"] == (4 if wanted else 0)
        assert not objects.seen().exposure.standby.unconfirmed  # type: ignore[union-attr]


async def test_a_switch_that_is_looked_at_leaves_nothing_to_look_at() -> None:
    """With one write more."""
    objects = Objects()
    server = interleaved(objects.live, "", lambda: None)
    await WorkloadChanger(server).apply(objects.seen(), Adopt(objects.of(objects.green)), timeout=5)
    assert objects.serving() == "green"
    assert UNCONFIRMED_ANNOTATION not in objects.service["metadata"]["annotations"]
