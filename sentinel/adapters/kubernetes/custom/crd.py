"""The custom resource definitions: where they are and how they get into a cluster."""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C takes a tenth of the time; PyYAML may have been built without it."""
CRD_FILE = "helm/rollback-sentinel/crds/rolloutrecords.yaml"
CRD_NAME = "rolloutrecords.rollback-sentinel.dev"

_PACKAGE = Path(str(files("sentinel")))
_PLACES = (_PACKAGE / "crds", _PACKAGE.parent / "helm" / "rollback-sentinel" / "crds")
"""In an installed package, and in a checkout: the chart's file is the one that both come from."""


def definition_text() -> str:
    """The definitions as YAML, ready for `kubectl apply -f -`."""
    return "---\n".join(file.read_text() for file in _files())


def definitions() -> tuple[dict[str, Any], ...]:
    """The definitions as objects, read once: callers must not change them."""
    return tuple(definition_of(file.stem) for file in _files())


@cache
def definition_of(plural: str) -> dict[str, Any]:
    """The definition of one resource, read once: callers must not change it."""
    file = next(file for file in _files() if file.stem == plural)
    definition: dict[str, Any] = yaml.load(file.read_text(), _LOADER)  # noqa: S506  # nosec B506  # it makes plain values
    return definition


def _files() -> list[Path]:
    folder = next(place for place in _PLACES if place.is_dir())
    return sorted(folder.glob("*.yaml"))


def how_to_install() -> str:
    """The sentence for someone whose cluster lacks the definition."""
    return (
        "the cluster does not know RolloutRecords, RolloutCommands and RolloutHistories: run "
        "`sentinel crd | kubectl apply -f -` (installing the Helm chart does it as well), as someone who may create "
        "CustomResourceDefinitions"
    )


def how_to_upgrade() -> str:
    """What to run where the cluster has the definitions of an older version: Helm never upgrades them."""
    return (
        "run `sentinel crd | kubectl apply --server-side --force-conflicts -f -`, as someone who may change "
        "CustomResourceDefinitions (an upgrade of the Helm chart does not do it)"
    )
