"""Which cluster, namespace and workload a command means: kubectl's flags."""

from dataclasses import dataclass
from typing import Annotated

import typer

Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace. Default: the kubeconfig's.")]
Context = Annotated[str, typer.Option("--context", help="Context in the kubeconfig.")]
Kubeconfig = Annotated[str, typer.Option("--kubeconfig", help="Kubeconfig file.")]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")]
WorkloadArgument = Annotated[
    str, typer.Argument(metavar="WORKLOAD", help="KIND/NAME, or just NAME of a Deployment.")
]
OptionalWorkload = Annotated[
    str, typer.Argument(metavar="WORKLOAD", help="KIND/NAME, or just NAME of a Deployment.")
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command looks; an empty namespace means all of them."""

    namespace: str
    kubeconfig: str | None = None
    context: str | None = None
