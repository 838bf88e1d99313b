"""How the pods of a candidate and of its stable start, rule by rule, as a rollout's record has it."""

from collections.abc import Iterator

from sentinel.domain.figures import amount, percent
from sentinel.domain.record.record import Record
from sentinel.engine.evidence.starting import STABLE_START, START, start_in
from sentinel.engine.statistics.starts import AGES, StartProfile

_ARMS = {STABLE_START: "stable", START: "candidate"}


def starts_told(record: Record) -> Iterator[str]:
    """For each rule that knows a start, one line for the stable and one for the candidate."""
    for rule, state in record.state.analysis.items():
        for key, arm in _ARMS.items():
            profile = start_in(state, key)
            if profile is not None and profile.bounds:
                yield f"  {rule:<16} {arm:<10} {_shares(profile)}{_remark(profile, key)}"


def _shares(profile: StartProfile) -> str:
    return ", ".join(
        f"{upper:g} s {'-' if share is None else percent(share)}"
        for upper, share in zip(AGES, profile.shares, strict=True)
    )


def _remark(profile: StartProfile, key: str) -> str:
    pods = f"; {amount(profile.pods, 'pod')}"
    if key == START:
        return pods
    if profile.thin:
        return f"{pods}: too little to judge by, so the warm-up is left out"
    return f"{pods}, a candidate's may start {profile.allowance:.1f} times as badly"
