"""A policy under construction: what is imported, notes on it, and what has no equivalent."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import field

from sentinel.values import dataclass

Values = Mapping[str, object]

OPT_IN_LABEL = "rollback-sentinel.dev/policy"
"""The label by which workloads choose an imported policy where the original names no workload."""

_CHOSEN = (
    "IT GUARDS NOTHING YET: the original does not name a workload. It guards Deployments with the label {key}: {value} "
    "(kubectl label deployment/NAME {key}={value}); or write another match. If another policy also guards such a "
    "Deployment by one label, for example rollback-sentinel.dev/guard, remove that label: policies that match equally "
    "well guard nothing."
)


class ImportRefusedError(ValueError):
    """One thing cannot be imported. The text says why, in a sentence without its final full stop."""


@dataclass(slots=True)
class Part:
    """One rule or alert as a rule file writes it, with what a reader must know about it."""

    name: str
    body: dict[str, object]
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Draft:
    """One policy. `notes` say what differs; `lost` names each check of the original that is not in it.

    `origin` says what it was made from, with file and line. `opt_in`: workloads choose it by a label.
    """

    name: str
    origin: str
    match: dict[str, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    strategy: dict[str, object] = field(default_factory=dict)
    strategy_notes: list[str] = field(default_factory=list)
    rules: list[Part] = field(default_factory=list)
    alerts: list[Part] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    opt_in: bool = False

    @property
    def remarks(self) -> list[str]:
        """Notes on the policy as a whole: what it guards, if that is not obvious, and the others."""
        return [
            *([_CHOSEN.format(key=OPT_IN_LABEL, value=_label(self.name))] if self.opt_in else []),
            *self.notes,
        ]

    def document(self) -> dict[str, object]:
        """The policy as plain values, in the order in which people read rule files."""
        spec: dict[str, object] = {"match": self.match}
        if self.strategy:
            spec["strategy"] = self.strategy
        if self.rules:
            spec["rules"] = [{"name": rule.name, **rule.body} for rule in self.rules]
        if self.alerts:
            spec["alerts"] = [alert.body for alert in self.alerts]
        return {
            "apiVersion": "rollback-sentinel.dev/v1",
            "kind": "RolloutPolicy",
            "metadata": {"name": self.name},
            "spec": spec,
        }


def policy_name(*parts: str) -> str:
    """A policy's or rule's name from free text: lower-case, everything else becomes a dash."""
    text = "-".join(part for part in parts if part).lower()
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "-.") else "-" for char in text)
    while "--" in kept:
        kept = kept.replace("--", "-")
    return kept.strip("-.")[:200].strip("-.") or "imported"


def unique(name: str, taken: Iterable[str]) -> str:
    """The name, with a number behind it where it is taken."""
    used = set(taken)
    number, candidate = 2, name
    while candidate in used:
        candidate, number = f"{name}-{number}", number + 1
    return candidate


def rename(draft: Draft, name: str) -> None:
    """Give a policy another name, and the label by which workloads choose it."""
    draft.name = name
    if draft.opt_in:
        draft.match = draft.match | _selector(draft)


def named(draft: Draft, name: str, namespace: str) -> None:
    """Match the one Deployment of this name. Raises ImportRefusedError for no name, or one that no Deployment has."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", name):
        problem = f"is named {name!r}, which is not a valid name for a Deployment" if name else "has no name"
        raise ImportRefusedError(f"{draft.origin} {problem}")
    draft.match = {
        "kinds": ["Deployment"],
        **({"namespaces": [namespace]} if namespace else {}),
        "names": [name],
    }


def chosen_by_label(draft: Draft, namespace: str = "") -> None:
    """Match by label: the original names no workload, and a policy that matches everything would be a surprise."""
    draft.opt_in = True
    within = {"namespaces": [namespace]} if namespace else {}
    draft.match = {"kinds": ["Deployment"], **within, **_selector(draft)}


def _selector(draft: Draft) -> dict[str, object]:
    return {"selector": {"matchLabels": {OPT_IN_LABEL: _label(draft.name)}}}


def _label(name: str) -> str:
    return name[:63].strip("-.")


def pod_rules(ready_within: str = "2m") -> list[Part]:
    """The rules that work without metrics."""
    return [
        Part("crash-loop", {"crashLoop": {}}),
        Part("health", {"health": {"readyWithin": ready_within}}),
    ]
