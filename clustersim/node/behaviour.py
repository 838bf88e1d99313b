"""How pods behave in the simulation: a table from image to a pod's life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

JsonObject = dict[str, Any]
ANNOTATION = "simulation.rollback-sentinel.dev/behaviour"
"""A pod's annotation that names one of `PRESETS` and overrides its image's behaviour."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The life of a pod's main container; all times in seconds.

    `start_after`: from being bound to a node to running; long for an image that is slow to pull. `ready_after`:
    from running to ready, None for never. `unready_after`: from ready to failing its readiness probe for good.
    `crash_after`: from running to exit with `exit_code` and `exit_reason`, at most `crashes` times (None: every
    time). `liveness_after`: from running to being killed for a failing liveness probe. `pull_error`,
    `config_error`, `mount_error`: the message with which it never gets to run. `evicted_after`: from running to
    eviction. `stop_after`: from deletion to gone. `ends_after`: from running to a good end, of a pod that is
    not restarted (a Job's) and does not crash; None for never. `only_on`: nodes to which the faults are
    limited, empty for all.
    """

    start_after: float = 1.0
    ready_after: float | None = 1.0
    unready_after: float | None = None
    crash_after: float | None = None
    crashes: int | None = None
    exit_code: int = 1
    exit_reason: str = "Error"
    liveness_after: float | None = None
    pull_error: str = ""
    config_error: str = ""
    mount_error: str = ""
    evicted_after: float | None = None
    stop_after: float = 0.5
    ends_after: float | None = 2.0
    only_on: frozenset[str] = frozenset()

    def on(self, *nodes: str) -> Behaviour:
        """The same with its faults limited to these nodes; elsewhere the pod is healthy."""
        return replace(self, only_on=frozenset(nodes))

    def at(self, node: str) -> Behaviour:
        """What it comes to on one node."""
        if not self.only_on or node in self.only_on:
            return self
        return Behaviour(start_after=self.start_after, stop_after=self.stop_after)


def crash_loop(after: float = 0.5, *, exit_code: int = 1) -> Behaviour:
    """The container exits `after` seconds of running, again and again."""
    return Behaviour(crash_after=after, ready_after=None, exit_code=exit_code)


def crashes_after(seconds: float, *, times: int | None = None) -> Behaviour:
    """Ready at first, then crashing after so many seconds of each run."""
    return Behaviour(crash_after=seconds, crashes=times)


def out_of_memory(after: float = 5.0) -> Behaviour:
    """The container is OOM-killed `after` seconds of each run."""
    return Behaviour(crash_after=after, exit_code=137, exit_reason="OOMKilled")


def image_not_found() -> Behaviour:
    """The registry knows no such image."""
    return Behaviour(
        pull_error='rpc error: code = NotFound desc = failed to pull and unpack image "{image}": '
        'failed to resolve reference "{image}": {image}: not found'
    )


def registry_error() -> Behaviour:
    """The registry answers 500."""
    return Behaviour(
        pull_error='rpc error: code = Unknown desc = failed to pull and unpack image "{image}": '
        'failed to resolve reference "{image}": unexpected status from HEAD request: 500 Internal Server Error'
    )


def registry_timeout() -> Behaviour:
    """The registry does not answer."""
    return Behaviour(
        pull_error='rpc error: code = DeadlineExceeded desc = failed to pull and unpack image "{image}": '
        'failed to resolve reference "{image}": dial tcp: i/o timeout'
    )


def slow_pull(after: float) -> Behaviour:
    """The image takes so long to be pulled; what else is in the pod runs meanwhile."""
    return Behaviour(start_after=after)


def config_error(message: str = 'configmap "settings" not found') -> Behaviour:
    """The container cannot be made: CreateContainerConfigError."""
    return Behaviour(config_error=message)


def volume_stuck(
    message: str = "Multi-Attach error for volume: Volume is already used by another pod",
) -> Behaviour:
    """A volume does not attach; the pod stays in ContainerCreating."""
    return Behaviour(mount_error=message)


def never_ready() -> Behaviour:
    """Runs, but its readiness probe never passes."""
    return Behaviour(ready_after=None)


def becomes_unready(after: float) -> Behaviour:
    """Ready at first; `after` seconds later its readiness probe fails for good."""
    return Behaviour(unready_after=after)


def liveness_failing(after: float = 30.0) -> Behaviour:
    """Killed and restarted for a failing liveness probe `after` seconds of each run."""
    return Behaviour(liveness_after=after)


def failing(after: float = 2.0, *, exit_code: int = 1) -> Behaviour:
    """What runs once, as the pod of a Job, ends badly `after` seconds of running."""
    return Behaviour(crash_after=after, exit_code=exit_code)


def hanging() -> Behaviour:
    """What runs once, as the pod of a Job, never ends."""
    return Behaviour(ends_after=None)


def evicted(after: float) -> Behaviour:
    """Evicted by its node `after` seconds of running."""
    return Behaviour(evicted_after=after)


HEALTHY = Behaviour()
PRESETS: Mapping[str, Behaviour] = {
    "healthy": HEALTHY,
    "crash-loop": crash_loop(),
    "out-of-memory": out_of_memory(),
    "image-not-found": image_not_found(),
    "registry-error": registry_error(),
    "registry-timeout": registry_timeout(),
    "config-error": config_error(),
    "volume-stuck": volume_stuck(),
    "never-ready": never_ready(),
    "liveness-failing": liveness_failing(),
}


@dataclass(slots=True)
class BehaviourTable:
    """Behaviours by image (exact names first, then globs in the order of entry), with a default."""

    by_image: dict[str, Behaviour] = field(default_factory=dict)
    default: Behaviour = HEALTHY

    def set(self, image: str, behaviour: Behaviour) -> None:
        """Let pods of an image (or glob) behave so."""
        self.by_image[image] = behaviour

    def of_image(self, image: str) -> Behaviour | None:
        """The entry for an image; None where the table has none."""
        if image in self.by_image:
            return self.by_image[image]
        return next((b for glob, b in self.by_image.items() if fnmatchcase(image, glob)), None)

    def of(self, pod: JsonObject) -> tuple[int, Behaviour]:
        """Which container of a pod sets its life, and which life; limits to nodes applied.

        Raises ValueError where the pod's annotation names no preset.
        """
        node = pod["spec"].get("nodeName", "")
        preset = (pod["metadata"].get("annotations") or {}).get(ANNOTATION)
        if preset is not None:
            if preset not in PRESETS:
                raise ValueError(f"{ANNOTATION}: {preset!r} is not one of {', '.join(sorted(PRESETS))}")
            return 0, PRESETS[preset].at(node)
        for index, container in enumerate(pod["spec"]["containers"]):
            behaviour = self.of_image(container.get("image", ""))
            if behaviour is not None:
                return index, behaviour.at(node)
        return 0, self.default.at(node)
