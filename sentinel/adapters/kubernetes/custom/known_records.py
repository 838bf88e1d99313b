"""The records that are known: by name, by workload, and those of rollouts in flight."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from sentinel.adapters.kubernetes.api.raw import ObjectKey, order_of
from sentinel.bounded import BoundedDict
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import WorkloadKey

_REMEMBERED_DELETIONS = 1000


class KnownRecords:
    """The newest version of each record that anybody has brought; an older one never replaces it."""

    def __init__(self) -> None:
        self._held: dict[ObjectKey, Record] = {}
        # The older versions of a record that differ in nothing but where its notice stands, and its revert.
        self._equivalent: dict[ObjectKey, frozenset[str]] = {}
        self._names: defaultdict[WorkloadKey, set[ObjectKey]] = defaultdict(set)
        self._deleted: BoundedDict[str, None] = BoundedDict(_REMEMBERED_DELETIONS)
        self._listeners: list[Callable[[WorkloadKey], None]] = []
        self._live: dict[ObjectKey, Record] = {}
        self._everyone = _Everyone(self._held)
        self._sorted: dict[WorkloadKey, tuple[Record, ...]] = {}

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        """Call the listener whenever a record of a workload was changed."""
        self._listeners.append(listener)

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

    def named(self, key: ObjectKey) -> Record | None:
        """The record of this name; None where none is known."""
        return self._held.get(key)

    def all(self) -> Iterable[Record]:
        """Every record, as of when somebody goes through them; the same object until one changes."""
        return self._everyone

    def in_flight(self, key: WorkloadKey) -> bool:
        """Whether anything may still happen to a rollout of this workload."""
        return any(name in self._live for name in self._names.get(key, ()))

    def live(self) -> Iterable[Record]:
        """The records of rollouts to which anything may still happen."""
        return tuple(self._live.values())

    def equivalent(self, key: ObjectKey) -> frozenset[str]:
        """The older versions of a record that differ in nothing but where its notice stands, and its revert."""
        return self._equivalent.get(key, frozenset())

    def take(self, record: Record, equivalent: frozenset[str] = frozenset()) -> Record:
        """Keep the record unless a newer version of it is known; returns what is kept.

        `equivalent` are older versions of it that differ in nothing but where its notice stands, and its revert.
        """
        key = record.key.namespace, record.name
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

    def forget(self, key: ObjectKey, uid: str) -> None:
        """The record of this uid is gone, of whatever uid where that is empty; it is not taken again."""
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

    def ended(self, uid: str) -> None:
        """Everybody has heard that the record of this uid is gone: it need not be remembered."""
        self._deleted.pop(uid, None)

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
