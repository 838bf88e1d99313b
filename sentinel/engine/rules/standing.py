"""What the count rules share: a rule's progress in its segment, and the verdict that follows."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import exp, inf, log, sqrt
from typing import cast

from sentinel.domain.evidence import Counts, Missing, MissingReason
from sentinel.domain.figures import about, amount, moment, to_one
from sentinel.domain.verdict import DecisionCause, Number, RuleVerdict, VerdictKind
from sentinel.engine.rules.segment import Segment
from sentinel.engine.statistics.goodness import PROVEN_GOOD, remaining
from sentinel.values import dataclass

Json = Mapping[str, object]

STALE_AFTER = 4
"""A pass needs evidence no older than this many intervals."""
MAX_ODDS = 1e12
BAKING = "Baking"
"""The reason of a verdict that waits for the end of its step's bake, and for nothing else."""
EXPECTED = frozenset({MissingReason.FIRST_SAMPLE, MissingReason.NOT_SETTLED})
"""Missing in the normal course of things: worth waiting for, not worth a hold."""


@dataclass(frozen=True, slots=True)
class RuleStanding:
    """A rule's progress in its segment, apart from the counts themselves.

    `everywhere`: in the newest tick both arms were over the limit (it lasts until the baseline is not).
    `rise` is Page's cumulative sum and `bad_since` the start of the tick from which it rose: the estimate of
    when the fault began. `until` is the end of the newest tick.
    """

    segment: str
    alone: bool = False
    everywhere: bool = False
    ticks: int = 0
    rise: float = 0.0
    bad_since: str = ""
    until: str = ""

    def as_json(self) -> Json:
        """Plain JSON values."""
        return {
            "segment": self.segment,
            "alone": self.alone,
            "everywhere": self.everywhere,
            "ticks": self.ticks,
            "rise": self.rise,
            "bad_since": self.bad_since,
            "until": self.until,
        }

    @classmethod
    def from_json(cls, value: object) -> "RuleStanding":
        """The standing that `as_json` gave."""
        data = cast(Mapping[str, object], value)
        return cls(
            str(data["segment"]),
            bool(data["alone"]),
            bool(data["everywhere"]),
            cast(int, data["ticks"]),
            float(cast(float, data["rise"])),
            str(data["bad_since"]),
            str(data["until"]),
        )

    def after(self, since: datetime, until: datetime, gain: float) -> "RuleStanding":
        """The standing after a tick whose log gain (for one typical alternative) is given."""
        rise = max(0.0, self.rise) + gain
        began = since.isoformat() if self.rise <= 0 else self.bad_since
        return RuleStanding(
            self.segment,
            self.alone,
            self.everywhere,
            self.ticks + 1,
            rise,
            began if rise > 0 else "",
            until.isoformat(),
        )

    def seen(self, *, everywhere: bool, alone: bool) -> "RuleStanding":
        """The standing with what the newest tick showed of both arms."""
        return RuleStanding(
            self.segment, alone, everywhere, self.ticks, self.rise, self.bad_since, self.until
        )


@dataclass(frozen=True, slots=True)
class Proof:
    """The evidence so far, in logs: against "no worse than the baseline" and against "within the limit".

    `alone`: there is no baseline to compare with, so that the limit's evidence is all there is.
    """

    ratio: float
    limit: float
    alone: bool

    @property
    def log_e(self) -> float:
        """The evidence that counts: both proofs, or the limit's alone."""
        return self.limit if self.alone else min(self.ratio, self.limit)


@dataclass(frozen=True, slots=True)
class RuleEvidence:
    """A rule's evidence, ready to be concluded from.

    `log_e` is the evidence that counts, `needed` what proves it; `acceptable`: the point estimate is at or under
    the limit or the baseline's; `requests` are the candidate's in this segment. `summary` is what was seen, for an
    engineer. `good` is the log evidence that the candidate is good, where it may be promoted early.
    """

    rule: str
    log_e: float
    needed: float
    acceptable: bool
    requests: int
    interval: timedelta
    summary: str
    numbers: Mapping[str, Number]
    good: float = 0.0


def conclude(found: RuleEvidence, standing: RuleStanding, segment: Segment, now: datetime) -> RuleVerdict:
    """The verdict that follows from the evidence so far."""

    def verdict(kind: VerdictKind, reason: str, remark: str = "") -> RuleVerdict:
        message = f"{found.summary}; {remark}" if remark else found.summary
        return RuleVerdict(
            found.rule,
            kind,
            reason,
            message,
            found.numbers,
            standing.everywhere,
            standing.alone,
            DecisionCause.began(standing.bad_since),
        )

    if standing.everywhere:
        return verdict(VerdictKind.INCONCLUSIVE, "BothArmsOverLimit", "the baseline is over the limit, too")
    if found.log_e >= found.needed:
        if standing.alone:
            return verdict(
                VerdictKind.FAIL, "OverLimit", "over the limit, without a baseline to compare with"
            )
        return verdict(VerdictKind.FAIL, "WorseThanBaseline")
    if not segment.bake_over and not segment.early:
        return verdict(VerdictKind.PENDING, BAKING)
    if found.requests < segment.min_requests:
        reason = "LowTraffic" if segment.bake_over else BAKING
        return verdict(VerdictKind.PENDING, reason, _shortfall(found, standing, segment))
    if not segment.bake_over and (found.good < PROVEN_GOOD or not found.acceptable):
        return verdict(VerdictKind.PENDING, BAKING, _until_good(found, standing))
    if not found.acceptable:
        return verdict(VerdictKind.PENDING, "NotProven", _doubt(found, standing))
    until = datetime.fromisoformat(standing.until)
    if now - until > STALE_AFTER * found.interval:
        return verdict(VerdictKind.PENDING, "Stale", f"the newest evidence ends at {moment(until)}")
    if not segment.bake_over:
        return verdict(VerdictKind.PASS, "ProvenGood", evidence_that(found.good, "the canary is good"))
    return verdict(VerdictKind.PASS, "WithinLimit")


def needed_evidence(alpha: float, segment: Segment) -> float:
    """The log evidence that proves in this segment: ln 1/α of its share; infinite where it has none."""
    level = alpha * segment.share
    return -log(level) if level > 0 else inf


def unmeasured(rule: str, missing: tuple[Missing, ...], numbers: Mapping[str, Number]) -> RuleVerdict:
    """The verdict of a tick that brought nothing but reasons why there is no number."""
    first = next((m for m in missing if m.reason not in EXPECTED), missing[0])
    kind = VerdictKind.PENDING if first.reason in EXPECTED else VerdictKind.INCONCLUSIVE
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return RuleVerdict(rule, kind, first.reason.value, f"no evidence: {first}{more}", numbers)


def _shortfall(found: RuleEvidence, standing: RuleStanding, segment: Segment) -> str:
    """How many requests are still needed and, at this traffic, for how long."""
    lacking = segment.min_requests - found.requests
    text = f"{amount(lacking, 'more canary request')} needed"
    if not found.requests or not standing.ticks:
        return text
    seconds = lacking / found.requests * standing.ticks * found.interval.total_seconds()
    return f"{text}, {about(timedelta(seconds=seconds))} at this traffic"


def _doubt(found: RuleEvidence, standing: RuleStanding) -> str:
    """That nothing is proven, and how long a proof would take if the evidence goes on as it did."""
    text = "worse than the rule allows, but this may be chance"
    left = remaining(found.log_e, found.needed, standing.ticks * found.interval)
    return f"{text}; {about(left)} more at this traffic would prove it" if left else text


def _until_good(found: RuleEvidence, standing: RuleStanding) -> str:
    """How long until the candidate may be promoted early."""
    left = remaining(found.good, PROVEN_GOOD, standing.ticks * found.interval)
    return f"{about(left)} more at this traffic to prove it good" if left else "not yet proven good"


def over_limit(counts: Counts, limit: float, dispersion: float = 1.0) -> bool:
    """Whether one tick's rate is over the limit by more than chance: 3 standard errors, and 5 errors at least."""
    expected = counts.total * limit
    spread = sqrt(dispersion * expected * (1 - limit))
    return counts.errors >= max(5.0, expected + 3 * spread)


def odds(log_e: float) -> float:
    """The evidence as odds, capped so that they stay a finite number."""
    return float(f"{min(exp(min(log_e, 50.0)), MAX_ODDS):.4g}")


def evidence_that(log_e: float, claim: str) -> str:
    """How strong the evidence for a claim is, for people: `1,119:1 evidence that the canary is good`."""
    return f"{to_one(odds(log_e))} evidence that {claim}"
