"""`sentinel explain --reason`: what a reason in a record or notice means, and what to do about it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import files

import typer
import yaml

from sentinel.app.commands.output import Output, show, show_data
from sentinel.domain.record.holds import HOLDS
from sentinel.policies.mistakes import did_you_mean
from sentinel.runtime.notify.remedies import REMEDIES


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
    text = files("sentinel.app.commands.rollouts").joinpath("reasons.yaml").read_text(encoding="utf-8")
    others = [
        ReasonHelp(reason, of, each["means"], each["do"])
        for of, reasons in yaml.safe_load(text).items()
        for reason, each in reasons.items()
    ]
    return {each.reason: each for each in (*holds, *others)}


def explain_reason(name: str, output: Output) -> None:
    """Shows what a reason means. Raises typer.BadParameter if no such reason exists."""
    known = {reason.lower(): each for reason, each in known_reasons().items()}
    found = known.get(name.lower())
    if found is None:
        hint = did_you_mean(name, tuple(known_reasons()))
        raise typer.BadParameter(f"no reason is named {name}; {hint}", param_hint="--reason")
    if output.for_people:
        show(f"{found.reason} ({found.of})\n  Meaning:    {found.means}\n  What to do: {found.remedy}")
    else:
        show_data(asdict(found), output)
