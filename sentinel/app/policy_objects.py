"""Policies that are objects in the cluster: takes edits over while the daemon runs, and answers in their status."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sentinel.adapters.kubernetes.custom.policy_objects import (
    Condition,
    KubernetesPolicyStore,
    PolicyObject,
    PolicyStatus,
    policy_object,
)
from sentinel.bounded import BoundedDict
from sentinel.domain.errors import ClusterError
from sentinel.domain.figures import amount
from sentinel.domain.notice import Bulletin, BulletinKind
from sentinel.domain.policy.policy import Policy
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.revision import Revision
from sentinel.engine.matching import Ambiguous, Guarded, guard_of
from sentinel.metric_names import MetricName
from sentinel.policies.inforce import Key, ObjectStanding, PoliciesInForce
from sentinel.policies.mistakes import Remark, dotted
from sentinel.ports import Clock, Telemetry
from sentinel.values import dataclass

log = logging.getLogger(__name__)

STATUS_EVERY = 20.0
"""Seconds after which the number of workloads in a status is counted again."""
AT_ONCE = 100
"""So many workloads are matched before others may go on."""
MAX_MISTAKES = 20
MAX_TOLD = 500
SHOWN = 5
"""A notice names so many policies, and counts the others."""

Labelled = Callable[[], Iterable[tuple[WorkloadKey, Mapping[str, str]]]]
"""Every workload with its labels."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How many workloads a policy guards, and one that it ties with another policy for."""

    workloads: int = 0
    tie: str = ""


class PolicyObjects:
    """The objects that the watches show. `leads`: whether this replica answers for a namespace.

    `tell` has people hear of what is refused, once a generation, and of what is right again. `taken` is called with
    the namespaces whose policies changed, `""` for the whole cluster.
    """

    def __init__(
        self,
        store: KubernetesPolicyStore,
        in_force: PoliciesInForce,
        labelled: Labelled,
        clock: Clock,
        telemetry: Telemetry,
        *,
        leads: Callable[[str], bool],
        tell: Callable[[Bulletin], None],
        taken: Callable[[frozenset[str]], None],
    ) -> None:
        self._store = store
        self._in_force = in_force
        self._labelled = labelled
        self._clock = clock
        self._telemetry = telemetry
        self._leads = leads
        self._tell = tell
        self._taken = taken
        self._dirty: dict[Key, None] = {}
        self._changed = asyncio.Event()
        self._unwritten: BoundedDict[Key, str] = BoundedDict(MAX_TOLD)
        store.subscribe(self._touched)

    def review(self, raw: Mapping[str, Any]) -> tuple[Sequence[str], Sequence[str]]:
        """Of an object that is about to be stored: what is wrong with it, and what may surprise, in words."""
        # Not at the top: it brings what only checks need.
        from sentinel.policies.checking import remarks_on

        try:
            policy = policy_object(raw)
        except ValueError:
            return (), ()  # its name is still to be generated
        found = self._in_force.review(policy.key, policy.document)
        if isinstance(found, Policy):
            return (), [in_words([remark]) for remark in remarks_on(found)]
        return [in_words([mistake]) for mistake in found], ()

    async def keep_watching(self) -> None:
        """Take changes over as they come, and keep the statuses true; runs until cancelled."""
        while True:
            await self.catch_up()
            await self.answer()
            with suppress(TimeoutError):
                async with asyncio.timeout(STATUS_EVERY):
                    await self._changed.wait()

    async def catch_up(self) -> None:
        """Take over what changed. Each object is judged alone: one that is wrong stays as it was."""
        self._changed.clear()
        changed: dict[Key, None] = {}
        while self._dirty:
            key = next(iter(self._dirty))
            del self._dirty[key]
            if self._take(key):
                changed[key] = None
            await asyncio.sleep(0)
        if changed:
            self._log(changed)
            self._taken(frozenset(namespace for namespace, _ in changed))
            self._show()

    async def answer(self) -> None:
        """Write each status that is no longer true, where this replica leads."""
        ours = [policy for policy in self._store.all() if self._leads(policy.namespace)]
        if not ours:
            return
        reaches = await self._reaches()
        answered: list[tuple[PolicyObject, ObjectStanding]] = []
        for policy in ours:
            standing = self._in_force.standings().get(policy.key)
            if standing is None or not _is_of(standing, policy):
                continue  # it changed meanwhile, and is taken over next
            named = standing.policy.name if standing.policy is not None else ""
            if await self._write(policy, status_of(standing, reaches.get(named, Reach()))):
                answered.append((policy, standing))
        for news in news_of(answered):
            self._tell(news)

    async def _write(self, policy: PolicyObject, status: PolicyStatus) -> bool:
        try:
            written = await self._store.write(policy, status, self._clock.now())
        except ClusterError as error:
            if self._unwritten.get(policy.key) != str(error):
                self._unwritten[policy.key] = str(error)
                log.warning("the status of %s cannot be written: %s", policy, error)
            return False
        self._unwritten.pop(policy.key, None)  # should it fail once more, that is news again
        return written

    def _touched(self, key: Key) -> None:
        policy = self._store.get(key)
        if policy is None or not self._in_force.knows(key, policy.uid, policy.generation):
            self._dirty[key] = None
            self._changed.set()

    def _take(self, key: Key) -> bool:
        policy = self._store.get(key)
        if policy is None:
            return self._in_force.drop(key)
        return self._in_force.take(key, policy.uid, policy.generation, policy.document, policy.former)

    def _log(self, changed: Iterable[Key]) -> None:
        """What became of those that are still there. All are taken over before: together they are compared once."""
        for key in changed:
            policy, standing = self._store.get(key), self._in_force.standings().get(key)
            if policy is None or standing is None:
                continue
            if standing.mistakes:
                log.warning("%s is refused: %s; %s", policy, in_words(standing.mistakes), _kept(standing))
            else:
                log.info("%s is in force, generation %d", policy, standing.generation)

    async def _reaches(self) -> Mapping[str, Reach]:
        """By policy that an object is, what it guards."""
        policies = self._in_force.policies()
        objects = {s.policy.name for s in self._in_force.standings().values() if s.policy is not None}
        counts: defaultdict[str, int] = defaultdict(int)
        ties: dict[str, str] = {}
        for index, (key, labels) in enumerate(self._labelled()):
            if index % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            found = guard_of(policies, Workload(key, "", Revision(""), labels=labels))
            if isinstance(found, Guarded):
                counts[found.policy.name] += 1
            elif isinstance(found, Ambiguous):
                ties |= dict(_tied(found.policies, key))
        return {name: Reach(counts[name], ties.get(name, "")) for name in objects}

    def _show(self) -> None:
        refused = sum(bool(standing.mistakes) for standing in self._in_force.standings().values())
        accepted = len(self._in_force.standings()) - refused
        self._telemetry.gauge(MetricName.POLICY_OBJECTS, accepted, state="accepted")
        self._telemetry.gauge(MetricName.POLICY_OBJECTS, refused, state="refused")


def news_of(answered: Sequence[tuple[PolicyObject, ObjectStanding]]) -> Iterator[Bulletin]:
    """What people hear of answers, which their former statuses do not say yet: so a restart tells nothing twice."""
    refused = [
        f"{policy}, generation {policy.generation}: {in_words(standing.mistakes)}; {_kept(standing)}"
        for policy, standing in answered
        if standing.mistakes and not (policy.refused and policy.answered == policy.generation)
    ]
    fixed = [
        f"{policy}, generation {policy.generation}"
        for policy, standing in answered
        if policy.refused and not standing.mistakes
    ]
    if refused:
        yield Bulletin(BulletinKind.POLICIES_REFUSED, _of_policies(refused, "refused"), _shown(refused))
    if fixed:
        title = _of_policies(fixed, "valid again")
        yield Bulletin(BulletinKind.POLICIES_FIXED, title, _shown(fixed), good=True)


def _of_policies(lines: Sequence[str], what: str) -> str:
    if len(lines) == 1:
        return f"{lines[0].partition(',')[0]} is {what}"
    return f"{len(lines)} policies are {what}"


def _shown(lines: Sequence[str]) -> tuple[str, ...]:
    more = len(lines) - SHOWN
    return (*lines[:SHOWN], *((f"and {more} more",) if more > 0 else ()))


def status_of(standing: ObjectStanding, reach: Reach) -> PolicyStatus:
    """What the status of an object says."""
    mistakes = standing.mistakes
    said = "the spec is valid" if not mistakes else in_words(mistakes)
    reason = "Valid" if not mistakes else "Conflict" if standing.conflict else "Invalid"
    return PolicyStatus(
        standing.generation,
        (Condition("Accepted", not mistakes, reason, said), _ready(standing, reach)),
        mode=standing.policy.mode.value if standing.policy is not None else None,
        workloads=reach.workloads,
        mistakes=tuple((dotted((*path, *m.at)), m.message, m.hint) for path, m in mistakes[:MAX_MISTAKES]),
        in_force=standing.former if standing.policy is not None else None,
    )


def _ready(standing: ObjectStanding, reach: Reach) -> Condition:
    if standing.policy is None:
        return Condition("Ready", False, "NotInForce", _kept(standing))
    if standing.mistakes:
        return Condition("Ready", False, "FormerInForce", _kept(standing))
    if reach.tie:
        return Condition("Ready", False, "Tied", reach.tie)
    return Condition("Ready", True, "InForce", f"guards {amount(reach.workloads, 'workload')}")


def _kept(standing: ObjectStanding) -> str:
    if standing.policy is None or standing.former is None:
        return "no generation of it is in force"
    return f"generation {standing.former[0]} stays in force"


def _is_of(standing: ObjectStanding, policy: PolicyObject) -> bool:
    return (standing.uid, standing.generation) == (policy.uid, policy.generation)


def _tied(policies: Sequence[Policy], key: WorkloadKey) -> Iterator[tuple[str, str]]:
    for policy in policies:
        others = " and ".join(f"{each.name} ({each.source})" for each in policies if each is not policy)
        yield policy.name, f"ties with {others} for {key}: neither guards it. Make one of them more specific"


def in_words(mistakes: Sequence[Remark]) -> str:
    """The mistakes as one text, in the words that rule files get."""
    return "; ".join(
        f"{dotted((*path, *mistake.at))}: {mistake}{f' ({mistake.hint})' if mistake.hint else ''}"
        for path, mistake in mistakes
    )
