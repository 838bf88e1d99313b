"""Every reason that records and notices name: what it means, and what to do about it."""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

import yaml

from sentinel.domain.record.holds import HOLDS
from sentinel.runtime.notify.remedies import REMEDIES
from sentinel.values import dataclass


@dataclass(frozen=True, slots=True)
class ReasonHelp:
    """One reason. `of` says what has it: `hold`, `decision`, `verdict` or `missing` (evidence that is missing)."""

    reason: str
    of: str
    means: str
    remedy: str


@lru_cache(maxsize=1)
def known_reasons() -> Mapping[str, ReasonHelp]:
    """Every reason by its name: those of holds first, then as the file has them."""
    holds = [
        ReasonHelp(reason.value, "hold", kind.meaning, REMEDIES[reason]) for reason, kind in HOLDS.items()
    ]
    text = files("sentinel.app").joinpath("reasons.yaml").read_text(encoding="utf-8")
    others = [
        ReasonHelp(reason, of, each["means"], each["do"])
        for of, reasons in yaml.safe_load(text).items()
        for reason, each in reasons.items()
    ]
    return {each.reason: each for each in (*holds, *others)}
