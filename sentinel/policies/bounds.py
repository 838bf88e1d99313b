"""What the settings let policies of namespaces say: said when they are loaded, not when a rollout waits for them."""

import fnmatch
from collections.abc import Iterator, Sequence
from enum import StrEnum
from urllib.parse import urlsplit

from sentinel.domain.policy.policy import SLACK, Mode
from sentinel.policies.mistakes import InputError, Path
from sentinel.policies.schema.policy import NotifySpec, PolicyFile
from sentinel.policies.schema.strategy import GatedSpec
from sentinel.values import dataclass

_PLACE = "policies.objects.bounds"


class GateKind(StrEnum):
    """What a step can wait for besides its rules."""

    APPROVAL = "approval"
    WEBHOOK = "webhook"
    JOB = "job"


@dataclass(frozen=True, slots=True)
class PolicyBounds:
    """What policies of these namespaces may say. `namespaces`, `hosts` and `channels` are globs.

    `hosts` are those of webhook gates and of web queries.
    """

    namespaces: tuple[str, ...] = ("*",)
    modes: tuple[Mode, ...] = tuple(Mode)
    gates: tuple[GateKind, ...] = tuple(GateKind)
    hosts: tuple[str, ...] = ("*",)
    channels: tuple[str, ...] = ("*",)


def out_of_bounds(file: PolicyFile, bounds: Sequence[PolicyBounds]) -> Iterator[tuple[Path, InputError]]:
    """Each thing that a policy of a namespace may not say, with its place; none for policies of the cluster.

    The first bounds that mean the namespace count. Without any, nothing is bounded.
    """
    namespace = file.metadata.namespace
    if namespace is None or not bounds:
        return
    own = next((each for each in bounds if _any(each.namespaces, namespace)), None)
    if own is None:
        why = f"the settings let no policy of the namespace {namespace} be"
        yield ("metadata", "namespace"), InputError(why, f"name it in {_PLACE} there")
        return
    if file.spec.mode not in own.modes:
        yield ("spec", "mode"), _refused(f"mode {file.spec.mode}", own.modes)
    for place, channel in _channels(file.spec.notify):
        if not _any(own.channels, channel):
            yield ("spec", "notify", *place), _refused(f"the channel {channel}", own.channels)
    for place, step in file.spec.strategy.steps:
        yield from _step(step, ("spec", "strategy", *place), own)
    for index, rule in enumerate(file.spec.rules):
        if rule.query is not None and rule.query.web is not None:
            at: Path = ("spec", "rules", index, "query", "web", "url")
            yield from _host(rule.query.web.url, at, own)


def _channels(spec: NotifySpec) -> Iterator[tuple[Path, str]]:
    """Each channel that a policy names, with its place: one of Slack by its own name there."""
    for index, name in enumerate(spec.channels):
        yield ("channels", index), name.removeprefix(f"{SLACK}/")
    if spec.slack is not None:
        yield ("slack", "channel"), spec.slack.channel


def _step(step: GatedSpec, at: Path, own: PolicyBounds) -> Iterator[tuple[Path, InputError]]:
    if step.approval == "required" and GateKind.APPROVAL not in own.gates:
        yield (*at, "approval"), _refused("an approval", own.gates)
    for index, gate in enumerate(step.gates):
        kind = GateKind.JOB if gate.job is not None else GateKind.WEBHOOK
        if kind not in own.gates:
            yield (*at, "gates", index, kind.value), _refused(f"a gate of the kind {kind}", own.gates)
        elif gate.webhook is not None:
            yield from _host(gate.webhook.url, (*at, "gates", index, "webhook", "url"), own)


def _host(url: str, at: Path, own: PolicyBounds) -> Iterator[tuple[Path, InputError]]:
    host = urlsplit(url).hostname or ""
    if not _any(own.hosts, host):
        yield at, _refused(f"the host {host}", own.hosts)


def _refused(what: str, allowed: Sequence[str]) -> InputError:
    known = ", ".join(allowed) or "none"
    return InputError(f"the settings do not let policies of this namespace have {what}", f"allowed: {known}")


def _any(globs: Sequence[str], text: str) -> bool:
    return any(fnmatch.fnmatchcase(text, glob) for glob in globs)
