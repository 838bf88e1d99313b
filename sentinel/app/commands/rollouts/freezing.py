"""`sentinel freeze` and `unfreeze`: the kill switch for the whole cluster."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from sentinel.adapters.kubernetes.custom.command_requests import CommandSender
from sentinel.adapters.kubernetes.custom.freezes import KubernetesFreezeStore
from sentinel.app.commands.connection import connected, place, run
from sentinel.app.commands.flags import Context, Kubeconfig, Place
from sentinel.app.commands.output import Answer, Output, OutputOption, show_answer
from sentinel.app.commands.rollouts.confirming import Yes, confirmed, why
from sentinel.domain.coordination import Freeze
from sentinel.domain.errors import ConflictError, NotFoundError

Where = Annotated[
    str, typer.Option("--namespace", "-n", help="Namespace of the sentinel. Default: the kubeconfig's.")
]
LeaseName = Annotated[str, typer.Option("--lease", help="Name of the sentinel's Lease (leadership.name).")]
EFFECTIVE = "within 5 s"
CONSEQUENCES = (
    "Bad releases are no longer undone, good ones no longer promoted, in all namespaces of this sentinel."
)


def freeze_command(
    reason: Annotated[
        str, typer.Option("--reason", help="Why. Notices and /readyz show it. Asked for at a terminal.")
    ] = "",
    yes: Yes = False,
    force: Annotated[
        bool, typer.Option("--force", help="Freeze even without a Lease (leadership.enabled: false).")
    ] = False,
    lease: LeaseName = "rollback-sentinel",
    namespace: Where = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Stop the sentinel from changing anything in the cluster. It still decides and reports, as in observe mode.

    Asks first (exit code 3: no terminal, and no --yes).
    """
    at = place(namespace, context, kubeconfig)
    _conclude(run(_freeze(reason, lease, at, output, force=force, yes=yes)), output)


def unfreeze_command(
    yes: Yes = False,
    lease: LeaseName = "rollback-sentinel",
    namespace: Where = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Let the sentinel act again. It does not carry out what it decided meanwhile.

    Shows who froze it and why, and asks first (exit code 3: no terminal, and no --yes).
    """
    _conclude(run(_unfreeze(lease, place(namespace, context, kubeconfig), output, yes=yes)), output)


def _conclude(answer: Answer | None, output: Output) -> None:
    """Show it; None: the user said no."""
    if answer is None:
        raise typer.Exit(1)
    show_answer(answer, output)


async def _freeze(
    reason: str, lease: str, at: Place, output: Output, *, force: bool, yes: bool
) -> Answer | None:
    async with connected(at) as cluster:
        store = KubernetesFreezeStore(cluster.client, at.namespace, lease)
        if not force and not await store.sentinel_is_here():
            raise _nobody(at.namespace, lease)
        present = await store.read()
        if present is not None:
            return Answer("freeze", "unchanged", f"already {present}")
        if not await confirmed([CONSEQUENCES], "Freeze the sentinel?", yes=yes, output=output):
            return None
        reason = await why(reason, yes=yes, output=output)
        by = await CommandSender(cluster.client).whoami()
        try:
            await store.freeze(Freeze(by, datetime.now(UTC), reason))
        except ConflictError:
            return Answer("freeze", "unchanged", f"already {await store.read() or 'frozen'}")
    said = f"frozen: {EFFECTIVE} the sentinel stops changing anything, until `sentinel unfreeze`"
    return Answer("freeze", "done", said)


async def _unfreeze(lease: str, at: Place, output: Output, *, yes: bool) -> Answer | None:
    async with connected(at) as cluster:
        store = KubernetesFreezeStore(cluster.client, at.namespace, lease)
        freeze = await store.read()
        if freeze is None:
            return Answer("unfreeze", "unchanged", "the sentinel was not frozen")
        if not await confirmed([str(freeze)], "Let the sentinel act again?", yes=yes, output=output):
            return None
        await store.thaw()
    return Answer("unfreeze", "done", f"unfrozen: {EFFECTIVE} the sentinel acts again")


def _nobody(namespace: str, lease: str) -> NotFoundError:
    """Without a sentinel a freeze has no effect."""
    return NotFoundError(
        f"no Lease {lease} of a sentinel is in namespace {namespace}: name its namespace with -n and its "
        "leadership.name with --lease, or add --force if it runs without leader election",
        reason="NoSentinel",
        status=404,
    )
