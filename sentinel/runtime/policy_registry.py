"""Which policy guards a workload now, and under which one a rollout began."""

import logging
from collections.abc import Callable

from sentinel.bounded import BoundedDict
from sentinel.domain.errors import ConfigurationError
from sentinel.domain.policy.policy import Mode, Policy
from sentinel.domain.record.record import Record
from sentinel.domain.workload.facts import Workload
from sentinel.engine.matching import Ambiguous, Guard, Guarded, guard_of
from sentinel.ports import PolicySource
from sentinel.runtime.logfields import Fields, about_record, about_workload

log = logging.getLogger(__name__)

MAX_REMEMBERED = 500


class PolicyRegistry:
    """Policies in force and policies of running rollouts, parsed once each.

    `mode` is the settings'; `frozen` tells whether a human has the whole cluster only watched.
    """

    def __init__(self, source: PolicySource, mode: Mode, frozen: Callable[[], bool] = lambda: False) -> None:
        self._source = source
        self._mode = mode
        self._frozen = frozen
        self._restored: BoundedDict[str, Policy] = BoundedDict(MAX_REMEMBERED)
        self._told: BoundedDict[str, None] = BoundedDict(MAX_REMEMBERED)

    def in_force(self) -> tuple[Policy, ...]:
        """All policies of the rule files and of objects."""
        return self._source.policies()

    def guard(self, workload: Workload) -> Guard:
        """What guards a workload now: a policy, several that match equally well, or none."""
        return guard_of(self._source.policies(), workload)

    def guarding(self, workload: Workload) -> Policy | None:
        """The policy that guards a workload now; None where none does, or where two do equally (logged once)."""
        found = self.guard(workload)
        if isinstance(found, Ambiguous):
            self._tell(f"not guarded: {found}", about_workload(workload.key))
        return found.policy if isinstance(found, Guarded) else None

    def of(self, record: Record) -> Policy | None:
        """The policy a rollout goes on under: the one it began with, or today's of that name where it says so.

        None when its record holds no policy that still loads and none of that name is in force.
        """
        today = next((p for p in self._source.policies() if p.name == record.policy), None)
        if today is not None and (today.digest == record.policy_digest or today.follow_edits):
            return today
        if record.policy_digest in self._restored:
            return self._restored[record.policy_digest]
        try:
            policy = self._source.restore(record.policy_document)
        except ConfigurationError as error:
            self._tell(f"the rollout's own policy no longer loads: {error}", about_record(record))
            return today
        self._restored[record.policy_digest] = policy
        return policy

    def _tell(self, message: str, about: Fields) -> None:
        """Log it once: every reconcile meets it again."""
        told = f"{about} {message}"
        if told not in self._told:
            self._told[told] = None
            log.error("%s", message, extra=about)

    def mode_of(self, record: Record) -> Mode:
        """The mode in which a rollout goes on now; the one it began in where no policy is left for it."""
        policy = self.of(record)
        return self.mode(policy) if policy else record.mode

    def mode(self, policy: Policy) -> Mode:
        """The stricter of the policy's and the settings' mode; observe while the cluster is frozen."""
        observed = self._frozen() or Mode.OBSERVE in (policy.mode, self._mode)
        return Mode.OBSERVE if observed else Mode.ENFORCE
