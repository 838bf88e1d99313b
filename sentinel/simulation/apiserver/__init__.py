"""The simulated API server: HTTP over the store, as a real one answers."""

from sentinel.simulation.apiserver.access import Tokens
from sentinel.simulation.apiserver.kubeconfig import kubeconfig
from sentinel.simulation.apiserver.server import ApiServer

__all__ = ["ApiServer", "Tokens", "kubeconfig"]
