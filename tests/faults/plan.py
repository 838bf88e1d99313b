"""What happens in a schedule, drawn from its seed: releases, people's deeds, alerts and faults, each at its second."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.faults.strategies import DEPLOYMENT

HEADER = """apiVersion: rollback-sentinel.dev/v1
kind: RolloutPolicy
metadata: {name: %s}
spec:
  match: {kinds: [%s], selector: {matchLabels: {policy: %s}}}
"""
STRATEGY = "bake: 20s, guard: 60s, deadline: 4m, warmup: 0s, minRequests: 50"
RULES = """
  rules:
    - name: error-rate
      errorRate:
        prometheus:
          total: http_requests_total{namespace="$namespace"}
          errors: http_requests_total{namespace="$namespace", code=~"5.."}
        max: 5%
        interval: 10s
    - {name: crash-loop, crashLoop: {}}
    - {name: health, health: {readyWithin: 30s}}
  alerts:
    - {match: ['severity="page"'], action: undo, lookback: 0s}
"""
BARE_RULES = """
  rules:
    - {name: crash-loop, crashLoop: {}}
    - {name: health, health: {readyWithin: 30s}}
  alerts:
    - {match: ['severity="page"'], action: undo, lookback: 0s}
"""
LATENCY = """    - name: latency
      latency:
        prometheus: {histogram: 'http_request_duration_seconds{namespace="$namespace"}'}
        mean: 1s
        interval: 10s
"""
STEPS = "canary: {steps: [{weight: 34%, bake: 10s}]}, "

POLICIES = {
    "canary": f"  strategy: {{{STEPS}{STRATEGY}}}{RULES}",
    "plain": f"  strategy: {{{STRATEGY}}}{RULES}",
    "slow": f"  strategy: {{{STRATEGY}}}" + RULES.replace("  alerts:", LATENCY + "  alerts:"),
    "bare": f"  strategy: {{{STRATEGY}}}{BARE_RULES}",
    "steps": f"  strategy: {{{STEPS}{STRATEGY}}}{BARE_RULES}",
}
METERED = ("canary", "plain", "slow")
BAKE = 20.0
SCRAPE = 5.0
DEEDS_END = 120.0
FAULTS_END = 150.0


def rules(kind: str = DEPLOYMENT.kind) -> str:
    """The rule file of every schedule of a kind."""
    return "---\n".join(HEADER % (name, kind, name) + text for name, text in POLICIES.items())


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that happens at a virtual second: the name of a method of the scene, and its arguments."""

    at: float
    what: str
    how: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.at:7.2f} {self.what} {' '.join(f'{k}={v}' for k, v in self.how.items())}"


@dataclass(frozen=True, slots=True)
class Service:
    """A workload of the schedule."""

    name: str
    policy: str
    replicas: int

    @property
    def metered(self) -> bool:
        """Whether its policy has rules on metrics."""
        return self.policy in METERED


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole schedule. With several `shards`, the replicas share the namespaces among them by as many Leases."""

    seed: int
    services: tuple[Service, ...]
    deeds: tuple[Deed, ...]
    replicas: int = 1
    shards: int = 1
    ends: float = FAULTS_END
    strategy: str = "deployment"

    def __str__(self) -> str:
        lines = [
            f"{self.strategy} seed {self.seed}, {self.replicas} replicas, {self.shards} shards",
            *map(str, self.services),
            *map(str, self.deeds),
        ]
        return "\n".join(lines)


def draw(seed: int, strategy: str = "deployment") -> Plan:
    """The schedule of a seed: the same deeds for workloads of every strategy."""
    rng = random.Random(seed)
    services = tuple(
        Service(f"s{index}", rng.choice(tuple(POLICIES)), rng.choice((2, 3, 4)))
        for index in range(rng.choice((2, 2, 2, 3, 4)))
    )
    deeds: list[Deed] = []
    for service in services:
        _releases(rng, service, deeds)
        _people(rng, service, deeds)
        _alerts(rng, service, deeds)
    for fault in rng.sample(FAULTS, rng.choice((1, 2, 2, 3, 4))):
        fault(rng, deeds)
    replicas = rng.choice((1, 1, 2))
    if any(deed.what == "pause_leader" for deed in deeds):
        replicas = 2
    ordered = tuple(sorted(deeds, key=lambda deed: deed.at))
    return Plan(seed, services, ordered, replicas, strategy=strategy)


def sharded(seed: int) -> Plan:
    """The schedule of a seed with two replicas that share three shards: one leads two of them."""
    return replace(draw(seed), replicas=2, shards=3)


def _releases(rng: random.Random, service: Service, deeds: list[Deed]) -> None:
    bad = ["crash", "pull", "unready"]
    if service.metered:
        bad += ["errors"] * 3
    if service.policy == "slow":
        bad += ["slow"] * 3
    at = rng.uniform(0.5, 30.0)
    for number in range(2, 2 + rng.choice((1, 1, 1, 2, 3))):
        kind = rng.choice(bad) if rng.random() < 0.5 else "good"
        deeds.append(Deed(at, "release", {"name": service.name, "image": f"{service.name}:{number}-{kind}"}))
        if rng.random() < 0.15:
            deeds.append(Deed(at + rng.uniform(0.2, 25.0), "put_back", {"name": service.name}))
        at += rng.choice((rng.uniform(0.1, 5.0), rng.uniform(5.0, 90.0)))
        if at > DEEDS_END:
            return


def _people(rng: random.Random, service: Service, deeds: list[Deed]) -> None:
    def now_and_then(chance: float, what: str, **how: Any) -> float:
        at = rng.uniform(1.0, DEEDS_END)
        if rng.random() < chance:
            deeds.append(Deed(at, what, {"name": service.name, **how}))
        return at

    paused = now_and_then(0.06, "pause", paused=True)
    if rng.random() < 0.5:
        deeds.append(Deed(paused + rng.uniform(1.0, 30.0), "pause", {"name": service.name, "paused": False}))
    now_and_then(0.1, "scale", replicas=rng.choice((1, 2, 5)))
    now_and_then(0.05, "delete", again=rng.random() < 0.7)
    held = now_and_then(0.05, "label", held=True)
    deeds.append(Deed(held + rng.uniform(5.0, 30.0), "label", {"name": service.name, "held": False}))
    now_and_then(0.1, "annotate", key=rng.choice(("team", "resume", "approve")))
    now_and_then(0.1, "touch")


def _alerts(rng: random.Random, service: Service, deeds: list[Deed]) -> None:
    for number in range(rng.choice((0, 0, 1, 1, 2))):
        how = {"name": service.name, "fingerprint": f"{service.name}-{number}", "again": rng.random() < 0.3}
        deeds.append(Deed(rng.uniform(1.0, DEEDS_END), "alert", how))


Fault = Callable[[random.Random, list[Deed]], None]


def _span(rng: random.Random, longest: float = 40.0) -> tuple[float, float]:
    at = rng.uniform(0.0, DEEDS_END)
    return at, min(FAULTS_END, at + rng.uniform(1.0, longest))


def _kills(rng: random.Random, deeds: list[Deed]) -> None:
    for _ in range(rng.choice((1, 2, 4))):
        away = rng.choice((0.0, rng.uniform(0.0, 3.0), rng.uniform(3.0, 40.0)))
        deeds.append(Deed(rng.uniform(0.0, DEEDS_END), "kill", {"away": round(away, 2)}))


def _kills_at_requests(rng: random.Random, deeds: list[Deed]) -> None:
    for _ in range(rng.choice((1, 2, 3))):
        how = {
            "served": rng.random() < 0.6,
            "skip": rng.choice((0, 0, 0, 1, 2, 5)),
            "path": rng.choice(("", "rolloutrecords", "rolloutrecords", "deployments", "deployments")),
            "turns": rng.choice((0, 0, 1, 2, 4, 8)),
            "away": round(rng.choice((0.0, rng.uniform(0.0, 15.0))), 2),
        }
        deeds.append(Deed(rng.uniform(0.0, DEEDS_END), "kill_at_write", how))


def _kills_at_awaits(rng: random.Random, deeds: list[Deed]) -> None:
    releases = [deed.at for deed in deeds if deed.what in ("release", "alert")]
    for _ in range(rng.choice((1, 2))):
        away = round(rng.choice((0.0, rng.uniform(0.0, 5.0))), 2)
        at = rng.choice(releases) + rng.choice((0.0, 0.0, rng.uniform(0.0, 30.0)))
        deeds.append(Deed(at, "kill_at_await", {"steps": rng.randint(1, 400), "away": away}))


def _paused_leader(rng: random.Random, deeds: list[Deed]) -> None:
    at = rng.uniform(0.0, DEEDS_END)
    deeds.append(Deed(at, "pause_leader", {"seconds": rng.choice((14.0, 20.0, 61.0))}))


def _api_restart(rng: random.Random, deeds: list[Deed]) -> None:
    begins, ends = _span(rng, 15.0)
    deeds.append(Deed(begins, "partition", {"on": True}))
    deeds.append(Deed(ends - 0.01, "compact"))
    deeds.append(Deed(ends, "partition", {"on": False}))


def _partition(rng: random.Random, deeds: list[Deed]) -> None:
    begins, ends = _span(rng)
    deeds.append(Deed(begins, "partition", {"on": True}))
    deeds.append(Deed(ends, "partition", {"on": False}))


def _errors(rng: random.Random, deeds: list[Deed]) -> None:
    begins, ends = _span(rng)
    status = rng.choice((500, 429, 409, 503, 504, 410))
    verbs = ("update", "patch", "create") if status == 409 else ()
    how = {
        "kind": "error",
        "status": status,
        "verbs": verbs,
        "seconds": rng.choice((0, 1, 5)),
        "probability": rng.choice((0.3, 0.7, 1.0)),
        "lasts": ends - begins,
    }
    deeds.append(Deed(begins, "fault", how))


def _lossy(rng: random.Random, deeds: list[Deed]) -> None:
    begins, ends = _span(rng)
    kind = rng.choice(("lost", "drop", "hang", "latency"))
    how = {
        "kind": kind,
        "seconds": rng.uniform(0.1, 15.0),
        "probability": rng.choice((0.2, 0.5)),
        "lasts": ends - begins,
    }
    deeds.append(Deed(begins, "fault", how))


def _watches(rng: random.Random, deeds: list[Deed]) -> None:
    begins, ends = _span(rng)
    kind = rng.choice(("gone", "garbage", "drop", "hang", "reorder", "duplicate"))
    how = {"kind": kind, "verbs": ("watch",), "probability": 0.7, "lasts": ends - begins}
    deeds.append(Deed(begins, "fault", how))
    deeds.append(Deed(begins + 0.1, "break_watches", {"silently": rng.random() < 0.3}))


def _stale(rng: random.Random, deeds: list[Deed]) -> None:
    begins, ends = _span(rng)
    how = {
        "kind": "stale",
        "verbs": ("get", "list"),
        "path": rng.choice(("deployments", "replicasets", "pods")),
        "probability": 0.7,
        "revisions": rng.choice((1, 5, 40)),
        "lasts": ends - begins,
    }
    deeds.append(Deed(begins, "fault", how))
    deeds.append(Deed(begins + 0.1, "compact"))
    deeds.append(Deed(begins + 0.2, "break_watches", {"silently": False}))


def _compaction(rng: random.Random, deeds: list[Deed]) -> None:
    for _ in range(rng.choice((1, 3))):
        at = rng.uniform(0.0, DEEDS_END)
        deeds.append(Deed(at, "compact"))
        deeds.append(Deed(at + rng.uniform(0.0, 2.0), "break_watches", {"silently": rng.random() < 0.3}))


def _prometheus(rng: random.Random, deeds: list[Deed]) -> None:
    begins, ends = _span(rng, 90.0)
    how = rng.choice(({"status": 503}, {"delay": 60.0}, {"delay": 3.0}))
    deeds.append(Deed(begins, "metrics", how))
    deeds.append(Deed(ends, "metrics", {}))


def _channel(rng: random.Random, deeds: list[Deed]) -> None:
    begins, ends = _span(rng, 90.0)
    hangs = rng.random() < 0.5
    deeds.append(Deed(begins, "channel", {"down": not hangs, "hangs": hangs}))
    deeds.append(Deed(ends, "channel", {"down": False, "hangs": False}))


def _clock(rng: random.Random, deeds: list[Deed]) -> None:
    begins, ends = _span(rng)
    deeds.append(Deed(begins, "skew", {"seconds": rng.choice((-3600, -90, -5, -0.5, 0.5, 5, 90, 3600))}))
    deeds.append(Deed(ends, "skew", {"seconds": 0}))


def _stall(rng: random.Random, deeds: list[Deed]) -> None:
    deeds.append(Deed(rng.uniform(0.0, DEEDS_END), "stall", {"seconds": rng.choice((5.0, 61.0))}))


FAULTS: tuple[Fault, ...] = (
    _kills,
    _kills,
    _kills_at_requests,
    _kills_at_requests,
    _kills_at_requests,
    _kills_at_awaits,
    _kills_at_awaits,
    _paused_leader,
    _api_restart,
    _partition,
    _errors,
    _errors,
    _lossy,
    _watches,
    _stale,
    _compaction,
    _prometheus,
    _channel,
    _clock,
    _stall,
)
