"""Which namespace a command means where none is named: the kubeconfig's, as kubectl has it."""

import os
from collections.abc import Mapping
from pathlib import Path

import yaml

from sentinel.adapters.kubernetes.api.access import SERVICE_ACCOUNT
from sentinel.adapters.kubernetes.api.loaders import ConfigException, kube_config
from sentinel.adapters.kubernetes.api.raw import mapping, objects, text

DEFAULT = "default"


def current_namespace(
    kubeconfig: str | None,
    context: str | None,
    environ: Mapping[str, str],
    service_account: Path = SERVICE_ACCOUNT,
) -> str:
    """The namespace of the context (the current one where None), of the pod's own inside a cluster, else `default`.

    Reads files. What cannot be read names no namespace: connecting says what is wrong with it.
    """
    named = kubeconfig or environ.get("KUBECONFIG")
    if not named and "KUBERNETES_SERVICE_HOST" in environ:
        try:
            return (service_account / "namespace").read_text().strip() or DEFAULT
        except OSError:
            return DEFAULT
    paths = (named or str(Path.home() / ".kube" / "config")).split(os.pathsep)
    files = [file for path in paths if path and (file := Path(path).expanduser()).is_file()]
    if not files:
        return DEFAULT  # the library would log that
    try:
        contexts, current = kube_config.list_kube_config_contexts(os.pathsep.join(map(str, files)))
    except (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, KeyError, AttributeError):
        return DEFAULT
    chosen = next((each for each in objects(contexts) if each.get("name") == context), None)
    found = mapping(mapping(chosen if context else current).get("context")).get("namespace")
    return text(found) or DEFAULT
