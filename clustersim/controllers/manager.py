"""The controller manager: all controllers over one store."""

from __future__ import annotations

import random

from clustersim.controllers.common.base import Controller, ControlPlane
from clustersim.controllers.common.ownership import OwnerIndex
from clustersim.controllers.common.recorder import ControllerEventRecorder
from clustersim.controllers.daemonset import DaemonSetController
from clustersim.controllers.deployment import DeploymentController
from clustersim.controllers.endpoint_slices import EndpointSliceController
from clustersim.controllers.garbage import GarbageCollector
from clustersim.controllers.job import JobController
from clustersim.controllers.nodes import NodeLifecycleController
from clustersim.controllers.replicaset import ReplicaSetController
from clustersim.controllers.routes.gateway import GatewayController
from clustersim.controllers.statefulset import StatefulSetController
from clustersim.storage.store import Store

_CONTROLLERS: tuple[type[Controller], ...] = (
    DeploymentController,
    ReplicaSetController,
    StatefulSetController,
    DaemonSetController,
    JobController,
    EndpointSliceController,
    GatewayController,
    GarbageCollector,
    NodeLifecycleController,
)


class ControllerManager:
    """Starts and stops the controllers together.

    `seed` fixes the small delays of their queues; `events` says whether they write Kubernetes Events.
    """

    def __init__(self, store: Store, *, seed: int = 0, events: bool = True) -> None:
        jitter = random.Random(seed)  # noqa: S311  # nosec B311  # reproducible delays, not secrets
        recorder = ControllerEventRecorder(store, enabled=events)
        self.plane = ControlPlane(store, OwnerIndex(store), recorder, jitter)
        self._controllers = [controller(self.plane) for controller in _CONTROLLERS]

    def start(self) -> None:
        """Begin to control; needs a running event loop."""
        for controller in self._controllers:
            controller.start()

    def stop(self) -> list[Exception]:
        """End; what failed meanwhile in a controller, other than by a refusal of the store."""
        for controller in self._controllers:
            controller.stop()
        self.plane.owners.close()
        return [failure for controller in self._controllers for failure in controller.failures]
