"""The store of records against the simulated cluster."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from clustersim.api.access import User
from clustersim.cluster import SimulatedCluster
from clustersim.faults import FaultKind, InjectedFault
from sentinel.adapters.kubernetes.api.client import ApiClient, Json, RequestTarget
from sentinel.adapters.kubernetes.api.resources import RECORDS
from sentinel.adapters.kubernetes.custom.record_objects import record_of
from sentinel.adapters.kubernetes.custom.records import KubernetesRecordStore
from sentinel.adapters.kubernetes.custom.unread import Unread
from sentinel.adapters.kubernetes.gateway import KubernetesGateway, WatchScope
from sentinel.domain.errors import ClusterUnavailableError, ConflictError, ForbiddenError
from sentinel.domain.record.entries import Action, DecisionEntry, NoticeRef
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Ending, Phase, RolloutState
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from tests.adapters.kubernetes.worlds import NOW, WEB, TestClock, access_to, record, until
from tests.support.states import state_of

DECISION = DecisionEntry("d-1", NOW, Action.HOLD, "R", "held", "d" * 64, 0)


def store(client: ApiClient) -> KubernetesRecordStore:
    """Another replica's store, which watches nothing."""
    return KubernetesRecordStore(client)


async def stored(client: ApiClient, name: str = "web-1") -> Record:
    """What the API server has."""
    return record_of(await client.get(RequestTarget(RECORDS, "default", name)))


async def test_a_new_record_is_written_whole(client: ApiClient, gateway: KubernetesGateway) -> None:
    """Spec and status are there after create, and the record is seen at once."""
    created = await gateway.records.create(record())
    assert await stored(client) == created
    assert created.state == record().state
    assert gateway.records.of_workload(WEB) == (created,)


async def test_a_name_can_be_created_once(client: ApiClient, gateway: KubernetesGateway) -> None:
    """Of two who create the same record one is refused, and nothing is overwritten."""
    created = await store(client).create(record())
    with pytest.raises(ConflictError):
        await gateway.records.create(replace(record(), trigger="second"))
    assert await stored(client) == created


async def test_a_save_is_seen_at_once(client: ApiClient, gateway: KubernetesGateway) -> None:
    """What was saved is read from the store without waiting for the watch."""
    created = await gateway.records.create(record())
    saved = await gateway.records.save(created.with_decision(DECISION))
    assert gateway.records.of_workload(WEB) == (saved,)
    assert (await stored(client)).decisions == (DECISION,)


async def test_all_records_are_listed_when_somebody_looks(gateway: KubernetesGateway) -> None:
    """Nothing is listed before, and another object says that there is news."""
    before = gateway.records.all()
    created = await gateway.records.create(record())
    assert list(before) == list(before) == [created]
    assert gateway.records.all() is not before
    assert gateway.records.all() is gateway.records.all()


async def test_only_the_rollouts_still_open_are_live(client: ApiClient, gateway: KubernetesGateway) -> None:
    """A record leaves the live ones with the write that ends its rollout, and with its deletion."""
    ended, deleted = [await gateway.records.create(record(name)) for name in ("web-1", "web-2")]
    both = {one.name for one in gateway.records.live()}
    await gateway.records.save(ended.with_state(state_of(Phase.SUPERSEDED, ended_at=NOW)))
    await gateway.records.delete(deleted)
    assert (both, list(gateway.records.live())) == ({"web-1", "web-2"}, [])


async def test_what_is_over_is_held_as_bytes(client: ApiClient, gateway: KubernetesGateway) -> None:
    """With the write that ends a rollout the states of its tests are put away; whoever asks gets them as they were."""
    states = {"error-rate": {"baseline": [100, 1], "stakes": [0.5, "inf"]}}
    live = replace(state_of(Phase.BAKING), analysis=states)
    created = await gateway.records.create(record().with_state(live))
    over = replace(live, phase=Phase.SUPERSEDED, ending=Ending(ended_at=NOW))
    saved = await gateway.records.save(created.with_state(over))
    assert not isinstance(created.state.analysis, Unread)
    assert isinstance(saved.state.analysis, Unread)
    assert saved.state.analysis == states
    assert await stored(client) == saved


async def test_an_old_event_does_not_take_a_write_back(
    cluster: SimulatedCluster, client: ApiClient, gateway: KubernetesGateway
) -> None:
    """Events of the watch that are older than our own write change nothing."""
    cluster.faults.add(
        InjectedFault(FaultKind.LATENCY, verbs=frozenset({"watch"}), path="rolloutrecords", seconds=5)
    )
    created = await gateway.records.create(record())
    for number in range(5):
        created = await gateway.records.save(created.with_state(state_of(Phase.PROGRESSING, step=number)))
    for _ in range(100):
        await asyncio.sleep(0.1)
        (held,) = gateway.records.of_workload(WEB)
        assert held.state.progress.step == 4


async def test_an_event_older_than_the_write_is_ignored(client: ApiClient) -> None:
    """A record observed at an older version than the one that was written is not taken."""
    records = store(client)
    created = await records.create(record())
    saved = await records.save(created.with_decision(DECISION))
    records.observed(("default", "web-1"), None, created)
    assert records.of_workload(WEB) == (saved,)


async def test_a_deleted_record_does_not_come_back(client: ApiClient) -> None:
    """After our own delete an older event of the same object does not revive it."""
    records = store(client)
    created = await records.create(record())
    await records.delete(created)
    records.observed(("default", "web-1"), None, created)
    assert records.of_workload(WEB) == ()


async def test_another_writer_makes_a_conflict(client: ApiClient, gateway: KubernetesGateway) -> None:
    """A save over somebody else's is refused; after reading afresh it succeeds."""
    created = await gateway.records.create(record())
    other = store(client)
    await other.save(created.with_decision(DECISION))
    with pytest.raises(ConflictError):
        await gateway.records.save(created.with_state(RolloutState(Phase.HELD)))
    fresh = await gateway.records.fresh(created)
    assert fresh is not None
    assert fresh.decisions == (DECISION,)
    saved = await gateway.records.save(fresh.with_state(RolloutState(Phase.HELD)))
    assert saved.state.phase is Phase.HELD
    assert saved.decisions == (DECISION,)


async def test_a_notice_does_not_make_a_save_fail(client: ApiClient, gateway: KubernetesGateway) -> None:
    """A save based on the version before the notice was written succeeds, and keeps the notice."""
    created = await gateway.records.create(record())
    await gateway.records.save_notice(created, NoticeRef("#deploys", "1.1"))
    await gateway.records.save_notice(created, NoticeRef("#deploys", "1.2"))
    saved = await gateway.records.save(created.with_decision(DECISION))
    assert saved.notice == NoticeRef("#deploys", "1.2")
    assert saved.decisions == (DECISION,)
    assert await stored(client) == saved


async def test_a_watch_quicker_than_the_answer_does_no_harm(
    cluster: SimulatedCluster, client: ApiClient
) -> None:
    """When the watch shows our notice before its own answer came, a save from before still succeeds."""
    records: list[KubernetesRecordStore] = []

    class SlowAnswers(ApiClient):
        async def merge_patch(self, target: RequestTarget, body: Json, *, timeout: float = 10.0) -> Json:
            answer = await super().merge_patch(target, body, timeout=timeout)
            records[0].observed(("default", "web-1"), None, record_of(answer))
            return answer

    async with SlowAnswers(access_to(cluster.url)) as slow:
        records.append(store(slow))
        created = await records[0].create(record())
        await records[0].save_notice(created, NoticeRef("#deploys", "1.1"))
        saved = await records[0].save(created.with_decision(DECISION))
    assert saved.notice == NoticeRef("#deploys", "1.1")
    assert await stored(client) == saved


async def test_a_notice_changes_nothing_else(client: ApiClient, gateway: KubernetesGateway) -> None:
    """A notice that was read before somebody's save does not take that save back."""
    created = await gateway.records.create(record())
    await store(client).save(created.with_decision(DECISION))
    await gateway.records.save_notice(created, NoticeRef("#deploys", "1.1"))
    read = await stored(client)
    assert read.decisions == (DECISION,)
    assert read.notice == NoticeRef("#deploys", "1.1")


async def test_a_notice_does_not_hide_anothers_write(client: ApiClient, gateway: KubernetesGateway) -> None:
    """A save based on a version before somebody else's write is refused though a notice came on top."""
    created = await gateway.records.create(record())
    await store(client).save(created.with_decision(DECISION))
    await gateway.records.save_notice(created, NoticeRef("#deploys", "1.1"))
    with pytest.raises(ConflictError):
        await gateway.records.save(created.with_state(RolloutState(Phase.HELD)))


async def test_a_notice_for_a_record_that_is_gone_is_fine(client: ApiClient) -> None:
    """A record that was removed meanwhile needs no notice."""
    records = store(client)
    created = await records.create(record())
    await client.delete(RequestTarget(RECORDS, "default", "web-1"))
    await store(client).save_notice(created, NoticeRef("#deploys", "1.1"))


async def test_a_save_leaves_what_the_rollout_was_first_seen_as(
    client: ApiClient, gateway: KubernetesGateway
) -> None:
    """The spec is written once, when the record is made."""
    created = await gateway.records.create(record())
    await gateway.records.save(replace(created.with_decision(DECISION), attempt=2))
    after = await stored(client)
    assert after.attempt == 1
    assert after.decisions == (DECISION,)


async def test_others_changes_are_seen_and_told(client: ApiClient, gateway: KubernetesGateway) -> None:
    """What another replica writes arrives by the watch and is told."""
    told: list[WorkloadKey] = []
    gateway.records.subscribe(told.append)
    created = await store(client).create(record())
    await until(lambda: gateway.records.of_workload(WEB) == (created,))
    assert WEB in told
    await store(client).save(replace(created, approvals=frozenset({2})))
    await until(lambda: gateway.records.of_workload(WEB)[0].approvals == {2})
    await client.delete(RequestTarget(RECORDS, "default", "web-1"))
    await until(lambda: gateway.records.of_workload(WEB) == ())


async def test_own_writes_are_told_once(client: ApiClient, gateway: KubernetesGateway) -> None:
    """The echo of an own write on the watch is no news."""
    created = await gateway.records.create(record())
    await asyncio.sleep(5)
    told: list[WorkloadKey] = []
    gateway.records.subscribe(told.append)
    await gateway.records.save(created.with_decision(DECISION))
    await asyncio.sleep(5)
    assert told == [WEB]


async def test_records_come_newest_first(client: ApiClient, gateway: KubernetesGateway) -> None:
    """A workload's records are ordered by the start of their rollout; others' are not among them."""
    other = WorkloadKey(WorkloadKind.DEPLOYMENT, "default", "other")
    for number in (2, 3, 1):
        await gateway.records.create(record(f"web-{number}", started_at=NOW + timedelta(hours=number)))
    await gateway.records.create(record("other-1", other))
    assert [r.name for r in gateway.records.of_workload(WEB)] == ["web-3", "web-2", "web-1"]
    assert len(tuple(gateway.records.all())) == 4


async def test_a_record_is_removed(client: ApiClient, gateway: KubernetesGateway) -> None:
    """After a delete the record is gone, at once and for good; deleting it again is fine."""
    created = await gateway.records.create(record())
    await gateway.records.delete(created)
    assert gateway.records.of_workload(WEB) == ()
    assert await gateway.records.fresh(created) is None
    await gateway.records.delete(created)
    await asyncio.sleep(5)
    assert gateway.records.of_workload(WEB) == ()


async def test_a_record_made_anew_is_not_removed(client: ApiClient) -> None:
    """A delete means the very record that was read, not another of its name."""
    records = store(client)
    first = await records.create(record())
    await client.delete(RequestTarget(RECORDS, "default", "web-1"))
    second = await store(client).create(record())
    await records.delete(first)
    assert (await stored(client)).uid == second.uid


async def test_a_name_used_for_another_workload_moves(client: ApiClient) -> None:
    """A record made anew under the same name for another workload is that one's alone."""
    records = store(client)
    created = await records.create(record())
    await client.delete(RequestTarget(RECORDS, "default", "web-1"))
    other = WorkloadKey(WorkloadKind.DEPLOYMENT, "default", "other")
    anew = await store(client).create(record(key=other))
    records.observed(("default", "web-1"), created, anew)
    assert records.of_workload(WEB) == ()
    assert records.of_workload(other) == (anew,)


async def test_a_status_that_could_not_be_written_is_made_up_for(
    cluster: SimulatedCluster, client: ApiClient, gateway: KubernetesGateway
) -> None:
    """When the server fails between spec and status, the record is found at its beginning and can be saved."""
    cluster.faults.add(InjectedFault(FaultKind.ERROR, verbs=frozenset({"update"}), status=503, count=1))
    with pytest.raises(ClusterUnavailableError):
        await gateway.records.create(record())
    await until(lambda: len(gateway.records.of_workload(WEB)) == 1)
    (found,) = gateway.records.of_workload(WEB)
    saved = await gateway.records.save(found.with_decision(DECISION))
    assert saved.decisions == (DECISION,)


async def test_a_lacking_verb_is_named(cluster: SimulatedCluster, client: ApiClient) -> None:
    """Without the right to create records the error names the verb and the resource."""
    cluster.api.tokens.add("sentinel", User("sentinel"))
    async with ApiClient(access_to(cluster.url, "sentinel")) as limited:
        with pytest.raises(ForbiddenError, match=r"'create' on rolloutrecords\.rollback-sentinel\.dev"):
            await store(limited).create(record())


async def test_a_record_whose_status_could_not_be_written_is_known(
    cluster: SimulatedCluster, gateway: KubernetesGateway
) -> None:
    """It exists, and nobody need wait for the watch to learn of it."""
    cluster.faults.add(
        InjectedFault(FaultKind.ERROR, verbs=frozenset({"update"}), path="rolloutrecords", count=1)
    )
    cluster.faults.add(InjectedFault(FaultKind.HANG, verbs=frozenset({"watch"})))
    with pytest.raises(ClusterUnavailableError):
        await gateway.records.create(record())
    assert [known.name for known in gateway.records.of_workload(WEB)] == ["web-1"]


async def test_a_name_that_is_taken_is_known_though_the_watch_is_deaf(
    cluster: SimulatedCluster, client: ApiClient, gateway: KubernetesGateway
) -> None:
    """Who is refused reads what is there: the next attempt goes on from it."""
    theirs = await store(client).create(record())
    blind = store(client)
    with pytest.raises(ConflictError):
        await blind.create(replace(record(), trigger="second"))
    assert blind.of_workload(WEB) == (theirs,)


async def test_rollouts_of_kinds_that_are_not_watched_are_left_alone(
    client: ApiClient, cluster: SimulatedCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """Their workloads look deleted to a daemon that does not watch them: it takes up none, and says so once."""
    key = WorkloadKey(WorkloadKind.STATEFULSET, "default", "db")
    for name in ("db-1", "db-2"):
        await store(client).create(record(name, key))
    await store(client).create(record())
    scope = WatchScope(kinds=(WorkloadKind.DEPLOYMENT,))
    gateway = KubernetesGateway(access_to(cluster.url), clock=TestClock(), rng=random.Random(1), scope=scope)
    await gateway.start()
    await gateway.wait_synced(30)

    assert [one.name for one in gateway.records.all()] == ["web-1"]
    assert not gateway.records.in_flight(key)
    assert [one.getMessage()[:79] for one in caplog.records if one.levelname == "WARNING"] == [
        "db-1 is in flight, and workloads of kind StatefulSet are not watched: their rol"
    ]
    await gateway.close()
