"""`sentinel crd`: the custom resource definition for `kubectl apply`."""

import typer

from sentinel.adapters.kubernetes.custom.crd import definition_text


def crd_command() -> None:
    """Print the custom resource definition: `sentinel crd | kubectl apply -f -`."""
    typer.echo(definition_text())
