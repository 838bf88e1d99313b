"""`sentinel freeze` and `unfreeze`: the kill switch for the whole cluster."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from sentinel.adapters.kubernetes.custom.command_requests import CommandSender
from sentinel.adapters.kubernetes.custom.freezes import KubernetesFreezeStore
from sentinel.app.commands.connection import Context, Kubeconfig, Place, connected, place, run
from sentinel.app.commands.rollouts.confirming import Yes, confirmed
from sentinel.domain.coordination import Freeze
from sentinel.domain.errors import ConflictError, NotFoundError

Where = Annotated[
    str, typer.Option("--namespace", "-n", help="Where the sentinel runs; the kubeconfig's if none.")
]
LeaseName = Annotated[str, typer.Option("--lease", help="Name of its Lease (leadership.name).")]
HEEDED = "within 5 s"


def freeze_command(
    reason: Annotated[str, typer.Option("--reason", help="Why; told to everyone.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Even where there is no Lease: leadership.enabled is false.")
    ] = False,
    lease: LeaseName = "rollback-sentinel",
    namespace: Where = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Have the sentinel touch nothing in the whole cluster: it goes on to decide and to tell, as in observe mode."""
    typer.echo(run(_freeze(reason, lease, place(namespace, context, kubeconfig), force=force)))


def unfreeze_command(
    yes: Yes = False,
    lease: LeaseName = "rollback-sentinel",
    namespace: Where = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Let the sentinel act again. What it decided meanwhile is not made up for.

    Says who froze it and why, and asks (exit code 3: no terminal, and no --yes).
    """
    if not run(_unfreeze(lease, place(namespace, context, kubeconfig), yes=yes)):
        raise typer.Exit(1)


async def _freeze(reason: str, lease: str, at: Place, *, force: bool) -> str:
    async with connected(at) as cluster:
        store = KubernetesFreezeStore(cluster.client, at.namespace, lease)
        if not force and not await store.sentinel_is_here():
            raise _nobody(at.namespace, lease)
        by = await CommandSender(cluster.client).whoami()
        try:
            await store.freeze(Freeze(by, datetime.now(UTC), reason))
        except ConflictError:
            return f"{await store.read() or 'frozen'} already"
    return f"frozen: {HEEDED} the sentinel touches nothing any more, until `sentinel unfreeze`"


async def _unfreeze(lease: str, at: Place, *, yes: bool) -> bool:
    """Whether nothing is frozen any more."""
    async with connected(at) as cluster:
        store = KubernetesFreezeStore(cluster.client, at.namespace, lease)
        freeze = await store.read()
        if freeze is None:
            typer.echo("nothing was frozen")
            return True
        if not await confirmed([str(freeze)], "Let the sentinel act again?", yes=yes):
            return False
        await store.thaw()
    typer.echo(f"unfrozen: {HEEDED} the sentinel acts again")
    return True


def _nobody(namespace: str, lease: str) -> NotFoundError:
    """Where no sentinel runs, nobody would heed a freeze."""
    return NotFoundError(
        f"no sentinel runs in namespace {namespace} with a Lease {lease}: name its namespace with -n and its "
        "leadership.name with --lease, or give --force where it runs without an election",
        reason="NoSentinel",
        status=404,
    )
