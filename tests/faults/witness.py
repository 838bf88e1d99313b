"""Watches a schedule from the store's side and notes whatever must never happen. It believes no word of the daemon's
that is not in a record, and no record where the world can be looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from clustersim.cluster import SimulatedCluster
from clustersim.storage.history import Event
from clustersim.storage.resources import DEPLOYMENTS, PODS
from sentinel.adapters.kubernetes.custom.record_objects import record_of
from sentinel.adapters.kubernetes.workloads.digest import digest_of
from sentinel.domain.record.entries import Action, DecisionEntry, OutcomeKind
from sentinel.domain.record.record import Record
from sentinel.domain.record.state import Phase
from sentinel.engine.rollout.lifecycle import REAPPLIED_WITHIN
from tests.faults.plan import BAKE, Service
from tests.faults.strategies import DEPLOYMENT, JsonObject, Strategy, image_of, marked

BAD = ("crash", "pull", "unready", "errors", "slow")
A_MOMENT = timedelta(seconds=2)
ANSWERED_WITHIN = timedelta(seconds=10)
"""What the daemon asks for is served this soon, or never."""
EVIDENCE_WITHIN = 60.0
"""A promotion's evidence was answered this recently: a tick, the passes, and what a fault may hold a write back."""


def is_bad(image: str) -> bool:
    """Whether an image is really bad."""
    return image.rpartition("-")[2] in BAD


@dataclass(slots=True)
class _Known:
    """What is known of one Deployment, by uid."""

    full_since: dict[str, datetime] = field(default_factory=dict)
    undone: dict[str, datetime] = field(default_factory=dict)
    resumed: bool = False
    alerted: set[str] = field(default_factory=set)


class Witness:
    """`violations` are sentences; empty is good."""

    def __init__(
        self,
        cluster: SimulatedCluster,
        services: tuple[Service, ...],
        *,
        bake: float = BAKE,
        strategy: Strategy = DEPLOYMENT,
    ) -> None:
        self.violations: list[str] = []
        self.undos = self.promotions = 0
        self.evidence_at: datetime | None = None
        self.mattered: set[str] = set()
        """The faults that struck the daemon while a rollout was in flight."""
        self._bake = bake
        self._strategy = strategy
        self._cluster = cluster
        self._services: Mapping[str, Service] = {service.name: service for service in services}
        self._records: dict[str, Record] = {}
        self._born: dict[str, datetime] = {}
        self._known: dict[str, _Known] = {}
        self._patched: set[tuple[str, str]] = set()
        self._read: dict[str, tuple[datetime, JsonObject]] = {}
        """When the daemon read a workload last, and as what, by the workload's name."""
        self._acting = 0
        self._unsubscribe = cluster.store.subscribe(self._saw)
        self.noted: dict[str, dict[str, datetime]] = {}
        self.story: list[str] = []
        """What happened to Deployments and records, line by line: for whoever replays a seed."""

    def close(self) -> None:
        """See no more."""
        self._unsubscribe()

    @contextmanager
    def people(self) -> Iterator[None]:
        """What happens meanwhile is not the sentinel's doing."""
        self._acting += 1
        try:
            yield
        finally:
            self._acting -= 1

    def felt(self, fault: str) -> None:
        """Note that a fault strikes the daemon now."""
        if fault not in self.mattered and any(record.in_flight for record in self._records.values()):
            self.mattered.add(fault)

    def known(self, deployment: JsonObject) -> _Known:
        """The notes on a Deployment."""
        return self._known.setdefault(deployment["metadata"]["uid"], _Known())

    def records(self) -> list[Record]:
        """Every record as the store has it."""
        return list(self._records.values())

    def live(self, deployment: JsonObject) -> list[Record]:
        """The records to which something may still happen, of the very template that is in the spec.

        One that was made a moment ago is not among them: its maker may not have the answer yet.
        """
        uid, digest = deployment["metadata"]["uid"], digest_of(deployment)
        known = self._cluster.now() - A_MOMENT
        own = (r for r in self.records() if r.live and r.workload_uid == uid)
        return [r for r in own if r.candidate.digest == digest and self._born[r.name] <= known]

    def wrong(self, what: str) -> None:
        """Note a violation."""
        self.violations.append(f"{self._cluster.now():%H:%M:%S.%f} {what}")
        self.tell(f"WRONG {what}")

    def tell(self, what: str) -> None:
        """Note what happened."""
        self.story.append(f"{self._cluster.now():%H:%M:%S.%f} {what}")

    def saw_request(self, method: str, path: str, body: bytes) -> None:
        """The daemon reads or deletes an object: no pod but a broken one of another template, after an undo."""
        *_, namespace, plural, name = ("", "", *path.split("/"))
        if method == "GET" and plural in (DEPLOYMENTS.plural, self._strategy.resource.plural):
            resource = DEPLOYMENTS if plural == DEPLOYMENTS.plural else self._strategy.resource
            found = self._cluster.store.find(resource, namespace, name)
            if found is not None:
                self._read[name] = (self._cluster.now(), found)
        if method == "DELETE" and plural == "pods":
            self._saw_deletion(self._cluster.store.find(PODS, namespace, name), body)

    def _saw_deletion(self, pod: JsonObject | None, body: bytes) -> None:
        """Nobody can know what others write while a deletion is under way: it is right by what was read last."""
        asked = orjson.loads(body or b"{}").get("preconditions", {})
        if pod is None or any(pod["metadata"][test] != value for test, value in asked.items()):
            return
        owner = next((o for o in pod["metadata"].get("ownerReferences", ())), {"uid": "", "name": ""})
        read = self.as_read(owner["name"])
        template = image_of(read) if read is not None else "unread"
        undoing = any(
            r.workload_uid == owner["uid"] and r.state.phase is Phase.UNDOING for r in self.records()
        )
        ready = any(
            c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ())
        )
        name, image = pod["metadata"]["name"], pod["spec"]["containers"][0]["image"]
        self.tell(f"sentinel: removes {name} ({image})")
        if ready or template in (image, "unread") or not (undoing and asked):
            self.wrong(f"{name} ({image}) was removed: ready {ready}, undoing {undoing}, template {template}")

    def as_read(self, name: str) -> JsonObject | None:
        """A workload as the daemon read it last; None where that is too long ago for what it asks for now."""
        at, read = self._read.get(name, (None, None))
        return read if at is not None and self._cluster.now() - at <= ANSWERED_WITHIN else None

    # -- the store's events

    def _saw(self, event: Event) -> None:
        if event.resource.plural == "rolloutrecords":
            self._saw_record(event)
        elif event.type == "MODIFIED":
            assert event.previous is not None
            self._saw_change(event, event.previous)

    def _saw_change(self, event: Event, before: JsonObject) -> None:
        if event.resource.key == self._strategy.resource.key:
            self._saw_workload(before, event.object)

    def _saw_workload(self, before: JsonObject, after: JsonObject) -> None:
        self._note_full(after)
        if before["spec"] != after["spec"]:
            who = "people" if self._acting else "sentinel"
            kept = self._strategy.kept_back(after)
            self.tell(f"{who}: {image_of(before)} -> {image_of(after)}" + f" keeps back {kept}" * bool(kept))
        if self._acting or before["spec"] == after["spec"]:
            return
        lifted = self._strategy.kept_back(after) < self._strategy.kept_back(before)
        if lifted and not self._strategy.ours(before):
            self.wrong(f"{image_of(before)}: a pause of others was lifted")
        if before["spec"]["template"] != after["spec"]["template"]:
            self._saw_undo(before, after)

    def _note_full(self, deployment: JsonObject) -> None:
        if self._strategy.full(deployment):
            self.known(deployment).full_since.setdefault(digest_of(deployment), self._cluster.now())

    def _saw_undo(self, before: JsonObject, after: JsonObject) -> None:
        known, old, new = self.known(before), image_of(before), image_of(after)
        now, patched = self._cluster.now(), before["metadata"].get("name", "")
        intents = self._undos_of(before)
        fresh = [e for e in intents if self._due(before, e) and (e.id, patched) not in self._patched]
        if not fresh:
            self.wrong(f"{old} was undone without a decision that is written down and open: {intents}")
        goes_on = {entry.id for entry in fresh} & {entry for entry, _ in self._patched}
        self._patched |= {(entry.id, patched) for entry in fresh}
        if goes_on:  # the same undo, in the other object of a pair
            return
        self.undos += 1
        if not is_bad(old) and old not in known.alerted:
            self.wrong(f"{old} is good and was undone")
        if new in known.undone:
            self.wrong(f"{old} was undone to {new}, which was undone before")
        if old in known.undone and now - known.undone[old] < REAPPLIED_WITHIN and not known.resumed:
            self.wrong(f"{old} was put back right after its undo and was undone again")
        known.undone[old] = now

    def _due(self, _workload: JsonObject, undo: DecisionEntry) -> bool:
        """Whether an undo that was decided is still to be made."""
        return not _done(undo)

    def _undos_of(self, workload: JsonObject) -> list[DecisionEntry]:
        """The undos that were decided of the template of a workload."""
        own = (r for r in self.records() if r.workload_uid == workload["metadata"]["uid"])
        entries = (entry for record in own for entry in record.decisions)
        return [e for e in entries if e.action is Action.UNDO and e.revision == digest_of(workload)]

    def _saw_record(self, event: Event) -> None:
        name = event.object["metadata"]["name"]
        if event.type == "DELETED":
            self._records.pop(name, None)
            return
        before, record = self._records.get(name), record_of(event.object)
        self._tell_record(before, record)
        self._born.setdefault(name, self._cluster.now())
        self._records[name] = record
        self._check_entries(before, record)
        phase = record.state.phase
        if before is not None and before.state.phase is phase:
            return
        if phase is Phase.PROMOTED:
            self._saw_promotion(record)

    def _tell_record(self, before: Record | None, record: Record) -> None:
        known = {(entry.id, entry.outcome) for entry in before.decisions} if before else set()
        for entry in record.decisions:
            if (entry.id, entry.outcome) not in known:
                outcome = f"{entry.outcome.kind} {entry.outcome.detail}" if entry.outcome else "intended"
                self.tell(f"{record.name} {entry.action} {entry.reason}: {outcome}; {entry.message}"[:220])
        if before is None or before.state.phase is not record.state.phase:
            self.tell(f"{record.name} ({record.candidate.images[0]}) {record.state.phase}")

    def _check_entries(self, before: Record | None, record: Record) -> None:
        ids = [entry.id for entry in record.decisions]
        if len(ids) != len(set(ids)):
            self.wrong(f"{record.name}: a decision is entered twice")
        now = {entry.id: entry for entry in record.decisions}
        for old in before.decisions if before else ():
            new = now.get(old.id)
            if new is None and len(ids) < 50:
                self.wrong(f"{record.name}: the decision {old.action} was lost")
            elif new is not None and old.outcome is not None and new.outcome != old.outcome:
                self.wrong(f"{record.name}: the outcome of {old.action} was rewritten")
        for action in (Action.UNDO, Action.PROMOTE):
            done = [e for e in record.decisions if e.action is action and _done(e)]
            if len(done) > 1:
                self.wrong(f"{record.name}: {action} was done {len(done)} times")
        for old_alert in before.alerts if before else ():
            if not stands_in(record, old_alert.fingerprint):
                self.wrong(f"{record.name}: the alert {old_alert.fingerprint} was lost")

    def _saw_promotion(self, record: Record) -> None:
        self.promotions += 1
        image = record.candidate.images[0]
        if is_bad(image):
            self.wrong(f"{image} is bad and was promoted")
        known = self._known.get(record.workload_uid, _Known())
        known.undone.pop(image, None)
        full = known.full_since.get(record.candidate.digest)
        now = self._cluster.now()
        baked = (now - full).total_seconds() if full is not None else 0.0
        if baked < self._bake - 1.0:
            self.wrong(f"{image} was promoted after {baked:.1f} s at 100 %")
        service = self._services[record.key.name]
        if service.metered:
            age = (now - self.evidence_at).total_seconds() if self.evidence_at is not None else 1e9
            if age > EVIDENCE_WITHIN:
                self.wrong(f"{image} was promoted on evidence {age:.0f} s old")

    # -- the end

    def settled(self) -> list[str]:
        """What keeps the schedule from being over, in sentences."""
        found = [
            f"{record.name}: {entry.action} has no outcome"
            for record in self.records()
            for entry in record.decisions
            if entry.outcome is None
        ]
        for deployment in self._strategy.workloads(self._cluster):
            own = [r for r in self.records() if r.workload_uid == deployment["metadata"]["uid"]]
            newest = max(own, key=lambda record: (record.started_at, record.attempt), default=None)
            place = f"{deployment['metadata']['name']} ({image_of(deployment)})"
            found.extend(f"{place} {what}" for what in self._left_behind(deployment, own))
            what = self._unfinished(deployment, newest) if newest is not None else "has no record"
            found.extend([f"{place} {what}"] if what else [])
        return found

    def _left_behind(self, deployment: JsonObject, own: list[Record]) -> Iterator[str]:
        """A pause of ours, or a rollout, that outlives its reason."""
        mark = marked(deployment, self._strategy.mark)
        if self._strategy.kept_back(deployment) and mark:
            owner = self._records.get(mark.partition(",")[0])
            if owner is None or not owner.live:
                yield f"is left paused by a rollout that is over ({mark})"
        newest = max(own, key=lambda record: (record.started_at, record.attempt), default=None)
        if newest is None or newest.state.phase is not Phase.HELD:
            yield from self._strategy.left_behind(self._cluster, deployment)
        for record in own:
            other = record.candidate.digest != digest_of(deployment)
            if record.live and other and record.state.phase is not Phase.UNDOING:
                yield f"is in the template, and {record.name} of another one is live"

    def _unfinished(self, deployment: JsonObject, newest: Record) -> str:
        """What a workload's newest rollout still owes, empty when it ended as such a release should."""
        phase, held, image = newest.state.phase, newest.state.hold, image_of(deployment)
        if phase is Phase.UNDOING and self._strategy.kept_back(deployment):
            return (
                ""
                if any(entry.reason == "RestoreOverdue" for entry in newest.decisions)
                else f"is still {phase}"
            )
        if phase in (Phase.PROGRESSING, Phase.BAKING, Phase.UNDOING):
            return f"is still {phase}: {newest.state.message}"
        if phase is Phase.HELD:
            if held is None or not held.reason or not held.message:
                return "is held without a reason"
            unproven = ("EnvironmentOutage", "NoBaseline", "StableWasBad")
            over = held.reason == "EvidenceMissing" or (held.reason in unproven and not is_bad(image))
            return f"is held though nothing is missing: {held.reason} {held.message}" if over else ""
        digest, undo = digest_of(deployment), newest.state.undo
        if newest.candidate.digest == digest:
            fit = {Phase.UNJUDGED} if is_bad(image) else {Phase.PROMOTED, Phase.UNJUDGED}
            return "" if phase in fit else f"is in the template, and its rollout ended {phase}"
        restored = undo is not None and undo.target.digest == digest
        by_hand = newest.stable is not None and newest.stable.digest == digest
        return (
            "" if restored or by_hand else f"was never taken up: the newest rollout is of {newest.candidate}"
        )


def stands_in(record: Record, fingerprint: str) -> bool:
    """Whether an alert is in a record: in full, or counted."""
    beyond = record.alerts_beyond.fingerprints if record.alerts_beyond is not None else ()
    return fingerprint in beyond or any(entry.fingerprint == fingerprint for entry in record.alerts)


def _done(entry: DecisionEntry) -> bool:
    return entry.outcome is not None and entry.outcome.kind is OutcomeKind.DONE
