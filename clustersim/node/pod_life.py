"""The life of one pod on its node: what its kubelet does with it and reports about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from clustersim.controllers.common.base import key_of
from clustersim.controllers.common.pod_state import is_terminating
from clustersim.controllers.common.recorder import ControllerEventRecorder
from clustersim.node import pod_status
from clustersim.node.behaviour import Behaviour, BehaviourTable
from clustersim.node.pod_status import ContainerState
from clustersim.storage.resources import PODS
from clustersim.storage.store import Store, timestamp

JsonObject = dict[str, Any]
_MANAGER = "kubelet"
_FIRST_BACK_OFF = 10.0
_LAST_BACK_OFF = 300.0
_BACK_OFF_RESET = 600.0
_RESTART_DELAY = 1.0
_FURNISHED_AFTER = 1.0
"""From being bound to having volumes and network, where the main container takes longer to start."""


@dataclass(frozen=True, slots=True)
class Host:
    """What the pods of all nodes share; nodes in `dead` post nothing."""

    store: Store
    recorder: ControllerEventRecorder
    behaviours: BehaviourTable
    dead: set[str] = field(default_factory=set)


class PodLife:
    """A pod from its binding to its end; holds a timer for each thing that is going to happen to it."""

    def __init__(self, host: Host, pod: JsonObject, address: str) -> None:
        self.uid: str = pod["metadata"]["uid"]
        self.key = key_of(pod)
        self.node: str = pod["spec"]["nodeName"]
        self._host = host
        self._address = address
        self._container = ContainerState()
        self._timers: list[asyncio.TimerHandle] = []
        self._pulls = 0
        self._crashes = 0
        self._streak = 0
        self._ended = False

    def begin(self) -> None:
        """Admit the pod: out of the write that bound it, so that watchers see the two changes in order."""
        self._after(0.0, self._admit)

    def resume(self) -> None:
        """Carry on after the node was silent."""
        pod = self.pod()
        if pod is not None and is_terminating(pod):
            self.terminate(pod)
        elif not self._ended:
            self.publish()
            self.plan()

    def cancel(self) -> None:
        """Let nothing more happen to the pod of what was planned."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def pod(self) -> JsonObject | None:
        """The pod as it is stored; None when it is gone."""
        pod = self._host.store.find(PODS, *self.key)
        return pod if pod is not None and pod["metadata"]["uid"] == self.uid else None

    def _admit(self) -> None:
        pod = self.pod()
        if pod is None:
            return
        if is_terminating(pod):
            self.terminate(pod)
            return
        self.publish()
        self.plan()

    def plan(self) -> None:
        """Set the timers for what comes next, given the container's state and the table as it is now."""
        pod = self.pod()
        if pod is None or is_terminating(pod) or self._ended or self.node in self._host.dead:
            return
        self.cancel()
        behaviour = self._behaviour(pod)
        if not self._container.running:
            self._plan_start(pod, behaviour)
            return
        if behaviour.ready_after is not None and not self._container.ready:
            self._after(behaviour.ready_after, self._become_ready)
        elif behaviour.ready_after is None and self._container.ready:
            self._become_unready()
        self._plan_faults(pod, behaviour)

    def _plan_start(self, pod: JsonObject, behaviour: Behaviour) -> None:
        if behaviour.mount_error:
            self._warn(pod, "FailedAttachVolume", behaviour.mount_error)
            return
        if behaviour.start_after > _FURNISHED_AFTER and not self._container.furnished:
            self._after(_FURNISHED_AFTER, self._furnish)
        if behaviour.pull_error:
            self._after(min(behaviour.start_after, 1.0), self._fail_pull)
        elif self._crashes:
            self._after(_RESTART_DELAY, self._restart)
        else:
            self._after(behaviour.start_after, self._run)

    def _plan_faults(self, pod: JsonObject, behaviour: Behaviour) -> None:
        may_crash = behaviour.crashes is None or self._crashes < behaviour.crashes
        once = pod["spec"].get("restartPolicy", "Always") != "Always"
        if behaviour.crash_after is not None and may_crash:
            self._after(behaviour.crash_after, self._crash)
        elif once and behaviour.ends_after is not None:
            self._after(behaviour.ends_after, self._complete)
        if behaviour.liveness_after is not None:
            self._after(behaviour.liveness_after, self._fail_liveness)
        if behaviour.evicted_after is not None:
            self._after(behaviour.evicted_after, self._evict)
        if behaviour.unready_after is not None and self._container.ready:
            self._after(behaviour.unready_after, self._become_unready)

    # -- what happens to a container

    def _furnish(self) -> None:
        self._container.furnished = True
        self.publish()

    def _run(self) -> None:
        pod = self.pod()
        if pod is None:
            return
        main, behaviour = self._host.behaviours.of(pod)
        container, spec = self._container, pod["spec"]["containers"][main]
        if behaviour.config_error:
            container.state = pod_status.waiting("CreateContainerConfigError", behaviour.config_error)
            self._warn(pod, "Failed", f"Error: {behaviour.config_error}")
            self.publish()
            self._after(_FIRST_BACK_OFF, self._run)
            return
        container.state = pod_status.running(self._host.store.now())
        self._note(pod, "Pulled", f'Container image "{spec.get("image")}" already present on machine')
        self._note(pod, "Created", f"Created container: {spec['name']}")
        self._note(pod, "Started", f"Started container {spec['name']}")
        if behaviour.ready_after == 0:
            container.ready = True
        self.publish()
        self.plan()

    def _restart(self) -> None:
        ended = self._container.state.get("terminated") or self._container.last_state.get("terminated")
        self._container.last_state = {"terminated": ended} if ended else {}
        self._container.restarts += 1
        self._run()

    def _become_ready(self) -> None:
        self._container.ready = True
        self.publish()
        self._plan_unready()

    def _plan_unready(self) -> None:
        pod = self.pod()
        after = self._behaviour(pod).unready_after if pod is not None else None
        if after is not None:
            self._after(after, self._become_unready)

    def _become_unready(self) -> None:
        pod = self.pod()
        if pod is not None:
            self._container.ready = False
            self._warn(pod, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
            self.publish()

    def _crash(self) -> None:
        pod = self.pod()
        if pod is not None:
            behaviour = self._behaviour(pod)
            self._end_run(behaviour.exit_code, behaviour.exit_reason)

    def _fail_liveness(self) -> None:
        pod = self.pod()
        if pod is None:
            return
        name = pod["spec"]["containers"][self._host.behaviours.of(pod)[0]]["name"]
        self._warn(pod, "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500")
        self._note(pod, "Killing", f"Container {name} failed liveness probe, will be restarted")
        self._end_run(137, "Error")

    def _end_run(self, exit_code: int, reason: str) -> None:
        """The container exits: restarted at once the first time, with a doubling back-off after that."""
        self.cancel()
        container, now = self._container, self._host.store.now()
        started = container.state["running"]["startedAt"]
        ran = (now - datetime.fromisoformat(started.replace("Z", "+00:00"))).total_seconds()
        self._crashes += 1
        self._streak = 1 if ran >= _BACK_OFF_RESET else self._streak + 1
        container.state = pod_status.terminated(exit_code, reason, started, now)
        container.ready = False
        pod = self.pod()
        policy = pod["spec"].get("restartPolicy", "Always") if pod is not None else "Always"
        if policy == "Never" or (policy == "OnFailure" and exit_code == 0):
            self._ended = True
            self.publish()
            return
        self.publish()
        self._after(_RESTART_DELAY, self._restart if self._streak == 1 else self._back_off)

    def _complete(self) -> None:
        self._end_run(0, "Completed")

    def _back_off(self) -> None:
        pod = self.pod()
        if pod is None:
            return
        wait = min(_FIRST_BACK_OFF * 2 ** (self._streak - 2), _LAST_BACK_OFF)
        spec = pod["spec"]["containers"][self._host.behaviours.of(pod)[0]]
        namespace, name = self.key
        minutes, seconds = divmod(int(wait), 60)
        shown = f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
        pod_id = f"{name}_{namespace}({self.uid})"
        text = f"back-off {shown} restarting failed container={spec['name']} pod={pod_id}"
        container = self._container
        container.last_state = container.state
        container.state = pod_status.waiting("CrashLoopBackOff", text)
        self._warn(pod, "BackOff", f"Back-off restarting failed container {spec['name']} in pod {pod_id}")
        self.publish()
        self._after(wait, self._restart)

    def _fail_pull(self) -> None:
        """A pull fails, and is tried again with a doubling back-off for as long as the table says so."""
        pod = self.pod()
        if pod is None:
            return
        main, behaviour = self._host.behaviours.of(pod)
        if not behaviour.pull_error:
            self._run()
            return
        image = pod["spec"]["containers"][main].get("image", "")
        text = behaviour.pull_error.format(image=image)
        self._container.state = pod_status.waiting("ErrImagePull", text)
        self._warn(pod, "Failed", f'Failed to pull image "{image}": {text}')
        self.publish()
        self._after(_RESTART_DELAY, self._back_off_pull)

    def _back_off_pull(self) -> None:
        pod = self.pod()
        if pod is None:
            return
        main, behaviour = self._host.behaviours.of(pod)
        image = pod["spec"]["containers"][main].get("image", "")
        text = f'Back-off pulling image "{image}": ErrImagePull: {behaviour.pull_error.format(image=image)}'
        self._container.state = pod_status.waiting("ImagePullBackOff", text)
        self._note(pod, "BackOff", f'Back-off pulling image "{image}"')
        self.publish()
        self._after(min(_FIRST_BACK_OFF * 2**self._pulls, _LAST_BACK_OFF), self._fail_pull)
        self._pulls += 1

    def _evict(self) -> None:
        pod = self.pod()
        if pod is None:
            return
        text = "The node was low on resource: memory."
        self._ended = True
        self.cancel()
        self._warn(pod, "Evicted", text)

        def change(obj: JsonObject) -> None:
            obj["status"] |= {"phase": "Failed", "reason": "Evicted", "message": text}
            for entry in obj["status"].get("conditions") or ():
                if entry["type"] in ("Ready", "ContainersReady"):
                    entry |= {"status": "False", "lastTransitionTime": timestamp(self._host.store.now())}

        self._host.store.mutate(PODS, *self.key, change, subresource="status", manager=_MANAGER)

    def terminate(self, pod: JsonObject) -> None:
        """Stop the containers within the grace period, then take the pod away."""
        self.cancel()
        if self.node in self._host.dead:
            return
        grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)
        if self._container.running:
            name = pod["spec"]["containers"][self._host.behaviours.of(pod)[0]]["name"]
            self._note(pod, "Killing", f"Stopping container {name}")
        stop = self._behaviour(pod).stop_after if self._container.running else 0.0
        self._after(min(stop, grace), self._remove)

    def _remove(self) -> None:
        if self.pod() is not None:
            self._host.store.delete(PODS, *self.key, uid=self.uid, grace_period=0)

    # -- the small print

    def _behaviour(self, pod: JsonObject) -> Behaviour:
        return self._host.behaviours.of(pod)[1]

    def _after(self, seconds: float, then: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self._timers = [
            timer for timer in self._timers if not timer.cancelled() and timer.when() >= loop.time()
        ]
        self._timers.append(loop.call_later(seconds, then))

    def publish(self) -> None:
        """Write the pod's status as the container's state has it."""
        pod = self.pod()
        if pod is None or self.node in self._host.dead:
            return
        main = self._host.behaviours.of(pod)[0]
        addresses = {"host": _host_address(self.node), "pod": self._address}
        status = pod_status.pod_status(pod, main, self._container, addresses, self._host.store.now())
        if self._ended:
            pod_status.end(status, self._container, self._host.store.now())

        def change(obj: JsonObject) -> None:
            obj["status"] = status

        self._host.store.mutate(PODS, *self.key, change, subresource="status", manager=_MANAGER)

    def _note(self, pod: JsonObject, reason: str, message: str) -> None:
        self._host.recorder.record(PODS, pod, reason, message, component=_MANAGER, host=self.node)

    def _warn(self, pod: JsonObject, reason: str, message: str) -> None:
        self._host.recorder.record(
            PODS, pod, reason, message, component=_MANAGER, type_="Warning", host=self.node
        )


def _host_address(node: str) -> str:
    digits = "".join(filter(str.isdigit, node))
    return f"10.0.0.{int(digits) % 250 + 1 if digits else 1}"
