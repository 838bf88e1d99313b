"""The kubeconfig and service account loaders of kubernetes_asyncio, without its typed models.

Importing the package loads 800 modules of models that we do not use: they would take most of the daemon's start and
40 MiB. So while the loaders are imported, both packages above them stand without their `__init__`; what imports
kubernetes_asyncio later gets it whole.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec, module_from_spec

PACKAGES = ("kubernetes_asyncio", "kubernetes_asyncio.client")


@contextmanager
def _without_models() -> Iterator[None]:
    if PACKAGES[0] in sys.modules:
        yield
        return
    for name in PACKAGES:
        spec = find_spec(name)
        assert spec is not None  # a dependency of ours
        sys.modules[name] = module_from_spec(spec)
    try:
        client = sys.modules[PACKAGES[1]]
        vars(client).update(
            Configuration=import_module("kubernetes_asyncio.client.configuration").Configuration,
            ApiClient=_ApiClient,
        )
        yield
    finally:
        for name in PACKAGES:
            del sys.modules[name]


class _ApiClient:
    """In the place of the library's client while the loaders are imported: made only where somebody asks for one."""

    def __new__(cls, *args: object, **options: object) -> object:  # type: ignore[misc]
        return import_module("kubernetes_asyncio.client").ApiClient(*args, **options)


with _without_models():
    from kubernetes_asyncio.client.configuration import Configuration
    from kubernetes_asyncio.config import kube_config
    from kubernetes_asyncio.config.config_exception import ConfigException
    from kubernetes_asyncio.config.incluster_config import InClusterConfigLoader

__all__ = ["ConfigException", "Configuration", "InClusterConfigLoader", "kube_config"]
