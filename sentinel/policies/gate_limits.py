"""Gates that the settings would never let be asked: said when rule files are loaded, not when a step waits for them."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from sentinel.domain.gate import GateLimits, service_account_of
from sentinel.policies.mistakes import InputError, Path
from sentinel.policies.schema.policy import MatchSpec, PolicyFile
from sentinel.policies.schema.strategy import GateSpec

_GLOB = frozenset("*?[")


def shut_gates(file: PolicyFile, limits: GateLimits | None) -> Iterator[tuple[Path, InputError]]:
    """Each gate that could never be asked, with its place; none where the limits are not known."""
    if limits is None:
        return
    for place, step in file.spec.strategy.steps:
        for index, gate in enumerate(step.gates):
            at = ("spec", "strategy", *place, "gates", index)
            found = _webhook(gate, limits, at) or _job(gate, limits, file.spec.match, at)
            if found is not None:
                yield found


def _webhook(gate: GateSpec, limits: GateLimits, at: Path) -> tuple[Path, InputError] | None:
    if gate.webhook is None:
        return None
    host = urlsplit(gate.webhook.url).hostname or ""
    refused = limits.host_refused(host)
    hint = f"add {host} there, or remove the gate"
    return ((*at, "webhook", "url"), InputError(refused, hint)) if refused else None


def _job(gate: GateSpec, limits: GateLimits, match: MatchSpec, at: Path) -> tuple[Path, InputError] | None:
    if gate.job is None:
        return None
    refused = limits.account_refused(service_account_of(gate.job.template))
    if refused:
        return (*at, "job"), InputError(refused, "allow it there, or remove the gate", key=True)
    plain = [name for name in match.namespaces if not _GLOB & set(name)]
    closed = next(filter(None, map(limits.namespace_refused, plain)), "")
    if closed:
        return (*at, "job"), InputError(closed, "allow it there, or remove the gate", key=True)
    return None
