"""The simulated API server: HTTP over the store, as a real one answers."""

from clustersim.api.access import Tokens
from clustersim.api.kubeconfig import kubeconfig
from clustersim.api.server import ApiServer

__all__ = ["ApiServer", "Tokens", "kubeconfig"]
