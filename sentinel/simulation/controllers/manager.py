"""The controller manager: all controllers over one store."""

from __future__ import annotations

import random

from sentinel.simulation.controllers.base import Controller, ControlPlane
from sentinel.simulation.controllers.daemonset import DaemonSetController
from sentinel.simulation.controllers.deployment import DeploymentController
from sentinel.simulation.controllers.garbage import GarbageCollector
from sentinel.simulation.controllers.nodes import NodeLifecycleController
from sentinel.simulation.controllers.ownership import OwnerIndex
from sentinel.simulation.controllers.recorder import EventRecorder
from sentinel.simulation.controllers.replicaset import ReplicaSetController
from sentinel.simulation.controllers.statefulset import StatefulSetController
from sentinel.simulation.store import Store

_CONTROLLERS: tuple[type[Controller], ...] = (
    DeploymentController,
    ReplicaSetController,
    StatefulSetController,
    DaemonSetController,
    GarbageCollector,
    NodeLifecycleController,
)


class ControllerManager:
    """Starts and stops the controllers together; `seed` fixes the small delays of their queues."""

    def __init__(self, store: Store, *, seed: int = 0) -> None:
        self.owners = OwnerIndex(store)
        self.recorder = EventRecorder(store)
        jitter = random.Random(seed)  # noqa: S311 - reproducible delays, not secrets
        plane = ControlPlane(store, self.owners, self.recorder, jitter)
        self._controllers = [controller(plane) for controller in _CONTROLLERS]

    def start(self) -> None:
        """Begin to control; needs a running event loop."""
        for controller in self._controllers:
            controller.start()

    def stop(self) -> None:
        """End; raises an ExceptionGroup when a controller failed meanwhile other than by a refusal."""
        for controller in self._controllers:
            controller.stop()
        self.owners.close()
        failures = [failure for controller in self._controllers for failure in controller.failures]
        if failures:
            raise ExceptionGroup("controllers of the simulated cluster failed", failures)
