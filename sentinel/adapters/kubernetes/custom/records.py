"""The store of RolloutRecords: read from the watch, written under optimistic concurrency."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from sentinel.bounded import BoundedDict
from sentinel.domain.errors import ClusterUnavailableError, ConflictError, NotFoundError
from sentinel.domain.record.entries import NoticeRef
from sentinel.domain.record.record import Record
from sentinel.domain.revert import RevertRef
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.values import replace

_NOTE_ATTEMPTS = 5
_REMEMBERED_DELETIONS = 1000


class KubernetesRecordStore:
    """Implements `ports.RecordStore`.

    What was written is seen at once: an event of the watch only ever replaces an older version. Writing where a
    notice stands, or the outcome of a revert, does not make a save under way fail: it is carried over.
    """

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._held: dict[ObjectKey, Record] = {}
        # The older versions of a record that differ in nothing but where its notice stands, and its revert.
        self._equivalent: dict[ObjectKey, frozenset[str]] = {}
        self._names: defaultdict[WorkloadKey, set[ObjectKey]] = defaultdict(set)
        self._deleted: BoundedDict[str, None] = BoundedDict(_REMEMBERED_DELETIONS)
        self._locks: WeakValueDictionary[ObjectKey, asyncio.Lock] = WeakValueDictionary()
        self._listeners: list[Callable[[WorkloadKey], None]] = []
        self._live: dict[ObjectKey, Record] = {}
        self._everyone = _Everyone(self._held)
        self._sorted: dict[WorkloadKey, tuple[Record, ...]] = {}

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        """Call the listener whenever a record of a workload was changed by anyone, ourselves included."""
        self._listeners.append(listener)

    # -- reading

    def of_workload(self, key: WorkloadKey) -> tuple[Record, ...]:
        """All records of a workload, newest rollout first."""
        found = self._sorted.get(key)
        if found is None:
            records = [self._held[name] for name in self._names.get(key, ())]
            records.sort(key=lambda record: (record.started_at, record.name), reverse=True)
            found = tuple(records)
            if found:
                self._sorted[key] = found
        return found

    def named(self, namespace: str, name: str) -> Record | None:
        """The record of this name; None where it does not exist."""
        return self._held.get((namespace, name))

    def all(self) -> Iterable[Record]:
        """Every record, as of when somebody goes through them; the same object until one changes."""
        return self._everyone

    def in_flight(self, key: WorkloadKey) -> bool:
        """Whether anything may still happen to a rollout of this workload."""
        return any(name in self._live for name in self._names.get(key, ()))

    def live(self) -> Iterable[Record]:
        """The records of rollouts to which anything may still happen."""
        return tuple(self._live.values())

    async def fresh(self, record: Record) -> Record | None:
        """The record as the API server has it now, None when it is gone.

        Raises ClusterError by its kind; InvalidObjectError never: what cannot be read raises ValueError.
        """
        try:
            raw = await self._client.get(_place(record))
        except NotFoundError as error:
            if error.reason != "NotFound":
                raise
            self._forget(_key(record), record.uid)
            return None
        return self._take(record_of(raw))

    async def refreshed(self, key: WorkloadKey) -> tuple[Record, ...]:
        """All records of a workload, newest rollout first, after they were read afresh. Raises ClusterError."""
        params = {"labelSelector": f"{WORKLOAD_LABEL}={label_of(key)}"}
        found = await self._client.request("GET", RequestTarget(RECORDS, key.namespace), params=params)
        for raw in objects(found.get("items")):
            with suppress(ValueError):  # the watch reports one that cannot be read
                self._take(self.read(raw))
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
        self._take(at_its_beginning(record))
        return await self.save(record)

    async def save(self, record: Record) -> Record:
        """Write the status; the spec says how the rollout was first seen, and stays.

        Raises ConflictError when someone else wrote since `record.version`.
        """
        async with self._lock(record):
            record, status = fitted(self._rebased(record))
            written = await self._write("PUT", _place(record, "status"), with_status(record, status))
            return self._take(put_away(_at(record, written), status))

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
                held = self._held.get(_key(record))
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
        equivalent = self._equivalent.get(_key(current), frozenset()) | {current.version}
        raw = await self._client.merge_patch(_place(current, "status"), body)
        self._take(record_of(raw), equivalent)

    async def delete(self, record: Record) -> None:
        """Remove a record; one that is already gone, or was created again under its name, is fine."""
        try:
            await self._client.delete(_place(record), uid=record.uid or None)
        except (NotFoundError, ConflictError) as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise
        self._forget(_key(record), record.uid)

    def _rebased(self, record: Record) -> Record:
        """The record on top of our latest notice and revert, if nothing else was written since its version."""
        newest = self._held.get(_key(record))
        if newest is None or record.version not in self._equivalent.get(_key(record), ()):
            return record
        revert = record.revert or newest.revert
        noted = replace(record, notice=newest.notice, notices=newest.notices, revert=revert)
        return replace(noted, version=newest.version)

    def _lock(self, record: Record) -> asyncio.Lock:
        return self._locks.setdefault(_key(record), asyncio.Lock())

    # -- what is known

    def read(self, raw: RawObject) -> Record:
        """The record of an object on the watch; what is known, or older than what is known, is not read again.

        Raises ValueError that names the field which cannot be read.
        """
        held = self._held.get(key_of(raw))
        version = text(mapping(raw.get("metadata")).get("resourceVersion"))
        return held if held is not None and order_of(version) <= order_of(held.version) else record_of(raw)

    def observed(self, key: ObjectKey, before: Record | None, after: Record | None) -> None:
        """The watch's handler."""
        if after is not None:
            self._take(after)
        elif before is not None:
            self._forget(key, before.uid)
            self._deleted.pop(before.uid, None)

    def _take(self, record: Record, equivalent: frozenset[str] = frozenset()) -> Record:
        """Keep the record unless a newer version of it is known; returns what is kept."""
        key = _key(record)
        held = self._held.get(key)
        if held is not None and order_of(record.version) <= order_of(held.version):
            if equivalent and record.version == held.version:
                # The watch was quicker than the answer to our own write of the fields.
                self._equivalent[key] = self._equivalent.get(key, frozenset()) | equivalent
            return held
        if record.uid in self._deleted:
            return record
        self._held[key] = record
        self._equivalent.pop(key, None)
        if equivalent:
            self._equivalent[key] = equivalent
        if held is not None and held.key != record.key:
            self._names[held.key].discard(key)
            self._sorted.pop(held.key, None)
        self._names[record.key].add(key)
        if record.live:
            self._live[key] = record
        else:
            self._live.pop(key, None)
        self._tell(record.key)
        return record

    def _forget(self, key: ObjectKey, uid: str) -> None:
        held = self._held.get(key)
        if uid:
            self._deleted[uid] = None
        if held is None or (uid and held.uid != uid):
            return
        del self._held[key]
        self._equivalent.pop(key, None)
        self._live.pop(key, None)
        names = self._names[held.key]
        names.discard(key)
        if not names:
            del self._names[held.key]
        self._tell(held.key)

    def _tell(self, key: WorkloadKey) -> None:
        self._everyone = _Everyone(self._held)
        self._sorted.pop(key, None)
        for listener in self._listeners:
            listener(key)


class _Everyone:
    """All records: listed when somebody goes through them, since most reconciles are given them and look at none."""

    def __init__(self, held: Mapping[ObjectKey, Record]) -> None:
        self._held = held

    def __iter__(self) -> Iterator[Record]:
        return iter(tuple(self._held.values()))


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
