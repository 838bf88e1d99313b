"""`sentinel explain --reason`: what a reason in a record or notice means, and what to do about it."""

from dataclasses import asdict

import typer

from sentinel.app.commands.output import Output, show, show_data
from sentinel.app.reasons import known_reasons
from sentinel.policies.mistakes import did_you_mean


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
