"""The store of RolloutRecords: read from the watch, written under optimistic concurrency."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from weakref import WeakValueDictionary

import msgspec

from sentinel.adapters.kubernetes.api.client import ApiClient, Json, RequestTarget
from sentinel.adapters.kubernetes.api.raw import (
    ObjectKey,
    RawObject,
    key_of,
    mapping,
    objects,
    order_of,
    text,
)
from sentinel.adapters.kubernetes.api.resources import RECORDS
from sentinel.adapters.kubernetes.custom.codec import encode
from sentinel.adapters.kubernetes.custom.known_records import KnownRecords
from sentinel.adapters.kubernetes.custom.record_bounds import fitted
from sentinel.adapters.kubernetes.custom.record_objects import (
    WORKLOAD_LABEL,
    at_its_beginning,
    beginning_of,
    label_of,
    put_away,
    record_of,
    with_status,
)
from sentinel.domain.errors import ClusterUnavailableError, ConflictError, NotFoundError
from sentinel.domain.record.entries import NoticeRef
from sentinel.domain.record.record import Record
from sentinel.domain.revert import RevertRef
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.values import replace

log = logging.getLogger(__name__)

_NOTE_ATTEMPTS = 5


class KubernetesRecordStore:
    """Implements `ports.RecordStore`.

    What was written is seen at once: an event of the watch only ever replaces an older version. Writing where a
    notice stands, or the outcome of a revert, does not make a save under way fail: it is carried over.

    Records of workloads of other kinds than `kinds` are not taken from the watch: those are not watched, so one that
    exists looks deleted. Its rollout is for another sentinel, or for this one once it watches the kind again.
    """

    def __init__(self, client: ApiClient, kinds: Collection[WorkloadKind] = tuple(WorkloadKind)) -> None:
        self._client = client
        self._foreign = set(WorkloadKind) - set(kinds)
        self._untold = set(self._foreign)
        self._known = KnownRecords()
        self._locks: WeakValueDictionary[ObjectKey, asyncio.Lock] = WeakValueDictionary()

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        """Call the listener whenever a record of a workload was changed by anyone, ourselves included."""
        self._known.subscribe(listener)

    # -- reading

    def of_workload(self, key: WorkloadKey) -> tuple[Record, ...]:
        """All records of a workload, newest rollout first."""
        return self._known.of_workload(key)

    def named(self, namespace: str, name: str) -> Record | None:
        """The record of this name; None where it does not exist."""
        return self._known.named((namespace, name))

    def all(self) -> Iterable[Record]:
        """Every record, as of when somebody goes through them; the same object until one changes."""
        return self._known.all()

    def in_flight(self, key: WorkloadKey) -> bool:
        """Whether anything may still happen to a rollout of this workload."""
        return self._known.in_flight(key)

    def live(self) -> Iterable[Record]:
        """The records of rollouts to which anything may still happen."""
        return self._known.live()

    async def fresh(self, record: Record) -> Record | None:
        """The record as the API server has it now, None when it is gone.

        Raises ClusterError by its kind; InvalidObjectError never: what cannot be read raises ValueError.
        """
        try:
            raw = await self._client.get(_place(record))
        except NotFoundError as error:
            if error.reason != "NotFound":
                raise
            self._known.forget(_key(record), record.uid)
            return None
        return self._known.take(record_of(raw))

    async def refreshed(self, key: WorkloadKey) -> tuple[Record, ...]:
        """All records of a workload, newest rollout first, after they were read afresh. Raises ClusterError."""
        params = {"labelSelector": f"{WORKLOAD_LABEL}={label_of(key)}"}
        found = await self._client.request("GET", RequestTarget(RECORDS, key.namespace), params=params)
        for raw in objects(found.get("items")):
            with suppress(ValueError):  # the watch reports one that cannot be read
                self._known.take(record_of(raw))
        return self.of_workload(key)

    # -- writing

    async def create(self, record: Record) -> Record:
        """Write a new record, spec and then status. Raises ConflictError when the name exists already.

        The record is known from then on, even if the second write fails or the watch is deaf.
        """
        body = beginning_of(replace(record, version="", uid=""))
        try:
            created = await self._write("POST", RequestTarget(RECORDS, record.key.namespace), body)
        except ConflictError:
            await self.fresh(record)
            raise
        record = _at(replace(record, config_kept=""), created)
        self._known.take(at_its_beginning(record))
        return await self.save(record)

    async def save(self, record: Record) -> Record:
        """Write the status; the spec says how the rollout was first seen, and stays.

        Raises ConflictError when someone else wrote since `record.version`.
        """
        async with self._lock(record):
            record, status = fitted(self._rebased(record))
            written = await self._write("PUT", _place(record, "status"), with_status(record, status))
            return self._known.take(put_away(_at(record, written), status))

    async def _write(self, method: str, target: RequestTarget, body: Json) -> "_Stored":
        """Write an object; what the answer holds besides where it stands now was just sent."""
        answer = await self._client.exchange(method, target, body=body)
        try:
            return _STORED.decode(answer).metadata
        except msgspec.DecodeError as error:
            raise ClusterUnavailableError(
                f"write {target}: the answer names no object: {answer[:80]!r}", reason="BadAnswer", status=200
            ) from error

    async def save_notice(self, record: Record, notice: NoticeRef, channel: str = "") -> None:
        """Write where the rollout's message stands, and nothing else; see `_note`."""
        place = encode(notice)
        await self._note(record, {"notices": {channel: place}} if channel else {"notice": place})

    async def save_revert(self, record: Record, revert: RevertRef) -> None:
        """Write the outcome of the revert in Git, and nothing else; see `_note`."""
        await self._note(record, {"revert": encode(revert)})

    async def _note(self, record: Record, status: Json) -> None:
        """Write some fields of the status; a record that is gone needs none.

        Raises ConflictError when they could not be written between the writes of others.
        """
        async with self._lock(record):
            for attempt in range(1, _NOTE_ATTEMPTS + 1):
                held = self._known.named(_key(record))
                current = held or await self.fresh(record)
                if current is None:
                    return
                try:
                    await self._write_fields(current, status)
                except ConflictError:
                    if attempt == _NOTE_ATTEMPTS or await self.fresh(record) is None:
                        raise
                else:
                    return

    async def _write_fields(self, current: Record, status: Json) -> None:
        body: Json = {"metadata": {"resourceVersion": current.version}, "status": status}
        equivalent = self._known.equivalent(_key(current)) | {current.version}
        raw = await self._client.merge_patch(_place(current, "status"), body)
        self._known.take(record_of(raw), equivalent)

    async def delete(self, record: Record) -> None:
        """Remove a record; one that is already gone, or was created again under its name, is fine."""
        try:
            await self._client.delete(_place(record), uid=record.uid or None)
        except (NotFoundError, ConflictError) as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise
        self._known.forget(_key(record), record.uid)

    def _rebased(self, record: Record) -> Record:
        """The record on top of our latest notice and revert, if nothing else was written since its version."""
        newest = self._known.named(_key(record))
        if newest is None or record.version not in self._known.equivalent(_key(record)):
            return record
        revert = record.revert or newest.revert
        noted = replace(record, notice=newest.notice, notices=newest.notices, revert=revert)
        return replace(noted, version=newest.version)

    def _lock(self, record: Record) -> asyncio.Lock:
        return self._locks.setdefault(_key(record), asyncio.Lock())

    # -- what is known

    def read(self, raw: RawObject) -> Record | None:
        """The record of an object on the watch; what is known, or older than what is known, is not read again.

        None for a workload of a kind that is not watched. Raises ValueError that names the field which cannot be read.
        """
        held = self._known.named(key_of(raw))
        version = text(mapping(raw.get("metadata")).get("resourceVersion"))
        if held is not None and order_of(version) <= order_of(held.version):
            return held
        record = record_of(raw)
        if record.key.kind in self._foreign:
            self._leave(record)
            return None
        return record

    def _leave(self, record: Record) -> None:
        """Say once for each kind that its rollouts in flight are left alone."""
        if record.live and record.key.kind in self._untold:
            self._untold.discard(record.key.kind)
            log.warning(
                "%s is in flight, and workloads of kind %s are not watched: their rollouts are left as they are, "
                "pauses included. If no other sentinel watches them, add %s to kubernetes.kinds, or lift the pauses "
                "with `sentinel release`",
                record.name,
                record.key.kind,
                record.key.kind,
            )

    def observed(self, key: ObjectKey, before: Record | None, after: Record | None) -> None:
        """The watch's handler."""
        if after is not None:
            self._known.take(after)
        elif before is not None:
            self._known.forget(key, before.uid)
            self._known.ended(before.uid)


def _key(record: Record) -> ObjectKey:
    return record.key.namespace, record.name


def _place(record: Record, subresource: str = "") -> RequestTarget:
    return RequestTarget(RECORDS, record.key.namespace, record.name, subresource)


class _Stored(msgspec.Struct, rename="camel", gc=False):
    """Where an object stands."""

    uid: str
    resource_version: str


class _Answer(msgspec.Struct, gc=False):
    metadata: _Stored


_STORED = msgspec.json.Decoder(_Answer)


def _at(record: Record, stored: _Stored) -> Record:
    """The record that was just written, as the server's answer names it."""
    return replace(record, version=stored.resource_version, uid=stored.uid)
