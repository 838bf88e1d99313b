"""The kubelets of all simulated nodes: give each bound pod the life that the behaviour table has for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sentinel.simulation import pod_status
from sentinel.simulation.behaviour import Behaviour, BehaviourTable
from sentinel.simulation.controllers.base import Key, key_of
from sentinel.simulation.controllers.pod_state import is_terminating, phase
from sentinel.simulation.controllers.recorder import EventRecorder
from sentinel.simulation.history import Event
from sentinel.simulation.pod_status import ContainerState
from sentinel.simulation.resources import PODS
from sentinel.simulation.store import Store, timestamp

JsonObject = dict[str, Any]
_MANAGER = "kubelet"
_FIRST_BACK_OFF = 10.0
_LAST_BACK_OFF = 300.0
_BACK_OFF_RESET = 600.0
_RESTART_DELAY = 1.0


@dataclass(slots=True)
class _Life:
    """One pod on its node: its container, and what is planned for it."""

    uid: str
    key: Key
    node: str
    address: str
    container: ContainerState = field(default_factory=ContainerState)
    timers: list[asyncio.TimerHandle] = field(default_factory=list)
    pulls: int = 0
    crashes: int = 0
    streak: int = 0
    ended: bool = False

    def cancel(self) -> None:
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()


class Kubelets:
    """Drives the statuses of all pods that are bound to a node; one timer per pending change of a pod.

    A node in `dead` posts nothing: its pods neither change nor finish terminating.
    """

    def __init__(self, store: Store, recorder: EventRecorder, behaviours: BehaviourTable) -> None:
        self.dead: set[str] = set()
        self._store = store
        self._recorder = recorder
        self._behaviours = behaviours
        self._lives: dict[str, _Life] = {}
        self._addresses = 0
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Take over the pods that are bound; needs a running event loop."""
        self._unsubscribe = self._store.subscribe(self._heed)
        for pod in self._store.list(PODS):
            self._admit_later(pod)

    def stop(self) -> None:
        """Freeze every pod as it is."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        for life in self._lives.values():
            life.cancel()
        self._lives.clear()

    def reconsider(self, concerned: Callable[[JsonObject], bool]) -> None:
        """Plan anew for the pods that a change of the behaviour table concerns."""
        for life in list(self._lives.values()):
            pod = self._pod(life)
            if pod is not None and concerned(pod):
                self._plan(life)

    def node_died(self, node: str) -> None:
        """Let a node post nothing from now on."""
        self.dead.add(node)
        for life in self._lives.values():
            if life.node == node:
                life.cancel()

    def node_recovered(self, node: str) -> None:
        """Let a node's kubelet carry on with its pods."""
        self.dead.discard(node)
        for life in [life for life in self._lives.values() if life.node == node]:
            pod = self._pod(life)
            if pod is not None and is_terminating(pod):
                self._terminate(life, pod)
            elif not life.ended:
                self._publish(life)
                self._plan(life)

    # -- what the store tells

    def _heed(self, event: Event) -> None:
        if event.resource is not PODS:
            return
        uid = event.object["metadata"]["uid"]
        if event.type == "DELETED":
            life = self._lives.pop(uid, None)
            if life is not None:
                life.cancel()
        elif uid not in self._lives:
            self._admit_later(event.object)
        elif is_terminating(event.object) and (event.previous is None or not is_terminating(event.previous)):
            self._terminate(self._lives[uid], event.object)

    def _admit_later(self, pod: JsonObject) -> None:
        node = pod["spec"].get("nodeName")
        if not node or phase(pod) in ("Succeeded", "Failed"):
            return
        self._addresses += 1
        address = f"10.244.{self._addresses // 250 % 250}.{self._addresses % 250 + 1}"
        life = _Life(pod["metadata"]["uid"], key_of(pod), node, address)
        self._lives[life.uid] = life
        # Out of the write that bound the pod, so that watchers see the two changes in order.
        self._after(life, 0.0, self._admit)

    def _admit(self, life: _Life) -> None:
        pod = self._pod(life)
        if pod is None:
            return
        if is_terminating(pod):
            self._terminate(life, pod)
            return
        self._publish(life)
        self._plan(life)

    # -- the plan

    def _plan(self, life: _Life) -> None:
        """Set the timers for what comes next, given the container's state and the table as it is now."""
        pod = self._pod(life)
        if pod is None or is_terminating(pod) or life.ended or life.node in self.dead:
            return
        life.cancel()
        behaviour = self._behaviour(pod)
        if not life.container.running:
            self._plan_start(life, pod, behaviour)
            return
        if behaviour.ready_after is not None and not life.container.ready:
            self._after(life, behaviour.ready_after, self._become_ready)
        elif behaviour.ready_after is None and life.container.ready:
            self._become_unready(life)
        self._plan_faults(life, behaviour)

    def _plan_start(self, life: _Life, pod: JsonObject, behaviour: Behaviour) -> None:
        if behaviour.mount_error:
            self._warn(life, pod, "FailedAttachVolume", behaviour.mount_error)
        elif behaviour.pull_error:
            self._after(life, min(behaviour.start_after, 1.0), self._fail_pull)
        elif life.crashes:
            self._after(life, _RESTART_DELAY, self._restart)
        else:
            self._after(life, behaviour.start_after, self._run)

    def _plan_faults(self, life: _Life, behaviour: Behaviour) -> None:
        may_crash = behaviour.crashes is None or life.crashes < behaviour.crashes
        if behaviour.crash_after is not None and may_crash:
            self._after(life, behaviour.crash_after, self._crash)
        if behaviour.liveness_after is not None:
            self._after(life, behaviour.liveness_after, self._fail_liveness)
        if behaviour.evicted_after is not None:
            self._after(life, behaviour.evicted_after, self._evict)
        if behaviour.unready_after is not None and life.container.ready:
            self._after(life, behaviour.unready_after, self._become_unready)

    # -- what happens to a container

    def _run(self, life: _Life) -> None:
        pod = self._pod(life)
        if pod is None:
            return
        main, behaviour = self._behaviours.of(pod)
        container, spec = life.container, pod["spec"]["containers"][main]
        if behaviour.config_error:
            container.state = pod_status.waiting("CreateContainerConfigError", behaviour.config_error)
            self._warn(life, pod, "Failed", f"Error: {behaviour.config_error}")
            self._publish(life)
            self._after(life, _FIRST_BACK_OFF, self._run)
            return
        container.state = pod_status.running(self._store.now())
        self._note(life, pod, "Pulled", f'Container image "{spec.get("image")}" already present on machine')
        self._note(life, pod, "Created", f"Created container: {spec['name']}")
        self._note(life, pod, "Started", f"Started container {spec['name']}")
        if behaviour.ready_after == 0:
            container.ready = True
        self._publish(life)
        self._plan(life)

    def _restart(self, life: _Life) -> None:
        ended = life.container.state.get("terminated") or life.container.last_state.get("terminated")
        life.container.last_state = {"terminated": ended} if ended else {}
        life.container.restarts += 1
        self._run(life)

    def _become_ready(self, life: _Life) -> None:
        life.container.ready = True
        self._publish(life)
        self._plan_unready(life)

    def _plan_unready(self, life: _Life) -> None:
        pod = self._pod(life)
        after = self._behaviour(pod).unready_after if pod is not None else None
        if after is not None:
            self._after(life, after, self._become_unready)

    def _become_unready(self, life: _Life) -> None:
        pod = self._pod(life)
        if pod is not None:
            life.container.ready = False
            self._warn(
                life, pod, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"
            )
            self._publish(life)

    def _crash(self, life: _Life) -> None:
        pod = self._pod(life)
        if pod is not None:
            behaviour = self._behaviour(pod)
            self._end_run(life, behaviour.exit_code, behaviour.exit_reason)

    def _fail_liveness(self, life: _Life) -> None:
        pod = self._pod(life)
        if pod is None:
            return
        name = pod["spec"]["containers"][self._behaviours.of(pod)[0]]["name"]
        self._warn(life, pod, "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500")
        self._note(life, pod, "Killing", f"Container {name} failed liveness probe, will be restarted")
        self._end_run(life, 137, "Error")

    def _end_run(self, life: _Life, exit_code: int, reason: str) -> None:
        """The container exits: restarted at once the first time, with a doubling back-off after that."""
        life.cancel()
        container, now = life.container, self._store.now()
        started = container.state["running"]["startedAt"]
        ran = (now - datetime.fromisoformat(started.replace("Z", "+00:00"))).total_seconds()
        life.crashes += 1
        life.streak = 1 if ran >= _BACK_OFF_RESET else life.streak + 1
        container.state = pod_status.terminated(exit_code, reason, started, now)
        container.ready = False
        self._publish(life)
        self._after(life, _RESTART_DELAY, self._restart if life.streak == 1 else self._back_off)

    def _back_off(self, life: _Life) -> None:
        pod = self._pod(life)
        if pod is None:
            return
        wait = min(_FIRST_BACK_OFF * 2 ** (life.streak - 2), _LAST_BACK_OFF)
        spec = pod["spec"]["containers"][self._behaviours.of(pod)[0]]
        namespace, name = life.key
        minutes, seconds = divmod(int(wait), 60)
        shown = f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
        pod_id = f"{name}_{namespace}({life.uid})"
        text = f"back-off {shown} restarting failed container={spec['name']} pod={pod_id}"
        container = life.container
        container.last_state = container.state
        container.state = pod_status.waiting("CrashLoopBackOff", text)
        self._warn(
            life, pod, "BackOff", f"Back-off restarting failed container {spec['name']} in pod {pod_id}"
        )
        self._publish(life)
        self._after(life, wait, self._restart)

    def _fail_pull(self, life: _Life) -> None:
        """A pull fails, and is tried again with a doubling back-off for as long as the table says so."""
        pod = self._pod(life)
        if pod is None:
            return
        main, behaviour = self._behaviours.of(pod)
        if not behaviour.pull_error:
            self._run(life)
            return
        image = pod["spec"]["containers"][main].get("image", "")
        text = behaviour.pull_error.format(image=image)
        life.container.state = pod_status.waiting("ErrImagePull", text)
        self._warn(life, pod, "Failed", f'Failed to pull image "{image}": {text}')
        self._publish(life)
        self._after(life, _RESTART_DELAY, self._back_off_pull)

    def _back_off_pull(self, life: _Life) -> None:
        pod = self._pod(life)
        if pod is None:
            return
        main, behaviour = self._behaviours.of(pod)
        image = pod["spec"]["containers"][main].get("image", "")
        text = f'Back-off pulling image "{image}": ErrImagePull: {behaviour.pull_error.format(image=image)}'
        life.container.state = pod_status.waiting("ImagePullBackOff", text)
        self._note(life, pod, "BackOff", f'Back-off pulling image "{image}"')
        self._publish(life)
        self._after(life, min(_FIRST_BACK_OFF * 2**life.pulls, _LAST_BACK_OFF), self._fail_pull)
        life.pulls += 1

    def _evict(self, life: _Life) -> None:
        pod = self._pod(life)
        if pod is None:
            return
        text = "The node was low on resource: memory."
        life.ended = True
        life.cancel()
        self._warn(life, pod, "Evicted", text)

        def change(obj: JsonObject) -> None:
            obj["status"] |= {"phase": "Failed", "reason": "Evicted", "message": text}
            for entry in obj["status"].get("conditions") or ():
                if entry["type"] in ("Ready", "ContainersReady"):
                    entry |= {"status": "False", "lastTransitionTime": timestamp(self._store.now())}

        self._store.mutate(PODS, *life.key, change, subresource="status", manager=_MANAGER)

    def _terminate(self, life: _Life, pod: JsonObject) -> None:
        """Stop the containers within the grace period, then take the pod away."""
        life.cancel()
        if life.node in self.dead:
            return
        grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)
        if life.container.running:
            name = pod["spec"]["containers"][self._behaviours.of(pod)[0]]["name"]
            self._note(life, pod, "Killing", f"Stopping container {name}")
        stop = self._behaviour(pod).stop_after if life.container.running else 0.0
        self._after(life, min(stop, grace), self._remove)

    def _remove(self, life: _Life) -> None:
        if self._pod(life) is not None:
            self._store.delete(PODS, *life.key, uid=life.uid, grace_period=0)

    # -- the small print

    def _after(self, life: _Life, seconds: float, then: Callable[[_Life], None]) -> None:
        life.timers = [
            timer for timer in life.timers if not timer.cancelled() and timer.when() > self._time()
        ]
        life.timers.append(asyncio.get_running_loop().call_later(seconds, then, life))

    def _time(self) -> float:
        return asyncio.get_running_loop().time()

    def _pod(self, life: _Life) -> JsonObject | None:
        pod = self._store.find(PODS, *life.key)
        return pod if pod is not None and pod["metadata"]["uid"] == life.uid else None

    def _behaviour(self, pod: JsonObject) -> Behaviour:
        return self._behaviours.of(pod)[1]

    def _publish(self, life: _Life) -> None:
        pod = self._pod(life)
        if pod is None or life.node in self.dead:
            return
        main = self._behaviours.of(pod)[0]
        addresses = {"host": _host_address(life.node), "pod": life.address}
        status = pod_status.pod_status(pod, main, life.container, addresses, self._store.now())

        def change(obj: JsonObject) -> None:
            obj["status"] = status

        self._store.mutate(PODS, *life.key, change, subresource="status", manager=_MANAGER)

    def _note(self, life: _Life, pod: JsonObject, reason: str, message: str) -> None:
        self._recorder.record(PODS, pod, reason, message, component=_MANAGER, host=life.node)

    def _warn(self, life: _Life, pod: JsonObject, reason: str, message: str) -> None:
        self._recorder.record(PODS, pod, reason, message, component=_MANAGER, type_="Warning", host=life.node)


def _host_address(node: str) -> str:
    digits = "".join(filter(str.isdigit, node))
    return f"10.0.0.{int(digits) % 250 + 1 if digits else 1}"
