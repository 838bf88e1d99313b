"""Which cluster, namespace and workload a command means: kubectl's flags."""

from typing import Annotated

import typer

from sentinel.app.commands import completing
from sentinel.values import dataclass

Namespace = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        help="Namespace. Default: the kubeconfig's.",
        autocompletion=completing.namespaces,
    ),
]
Context = Annotated[str, typer.Option("--context", help="Context in the kubeconfig.")]
Kubeconfig = Annotated[str, typer.Option("--kubeconfig", help="Kubeconfig file.")]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")]
WorkloadArgument = Annotated[
    str,
    typer.Argument(
        metavar="WORKLOAD",
        help="KIND/NAME, or just NAME of a Deployment.",
        autocompletion=completing.workloads,
    ),
]
"""Give it a default to make it optional."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command looks; an empty namespace means all of them."""

    namespace: str
    kubeconfig: str | None = None
    context: str | None = None


def searched(namespace: str) -> str:
    """Where a command has looked, in words; an empty namespace means all of them."""
    return f"namespace {namespace}" if namespace else "any namespace"
