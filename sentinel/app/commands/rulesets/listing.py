"""`sentinel rules list`: every policy of rule files and of the cluster, and where each comes from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from sentinel.adapters.kubernetes.custom.policy_objects import PolicyObject
from sentinel.app.commands.connection import connected, place, run
from sentinel.app.commands.flags import AllNamespaces, Context, Kubeconfig, Namespace, Place
from sentinel.app.commands.layout import Column, table
from sentinel.app.commands.output import Output, OutputOption, show, show_data
from sentinel.app.commands.rulesets.everywhere import together
from sentinel.app.policy_objects import in_words
from sentinel.domain.errors import ConfigurationError
from sentinel.policies.inforce import PoliciesInForce
from sentinel.policies.load import PolicySet, describe, load

Row = dict[str, str]


def list_command(
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", "-r", help="Rule files or folders. Default: rules/, if there is one."),
    ] = None,
    namespace: Namespace = "",
    everywhere: AllNamespaces = False,
    output: OutputOption = Output.TABLE,
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """List the policies of rule files, and those that are objects in the cluster, with their origin.

    Of objects those of one namespace (or of all, -A) and of the cluster, with what the sentinel makes of them.
    """
    paths = rules if rules is not None else [path for path in (Path("rules"),) if path.is_dir()]
    loaded = load(paths) if paths else PolicySet((), "")
    if not isinstance(loaded, PolicySet):
        raise ConfigurationError(f"the rule files have errors:\n{describe(loaded)}")
    objects = run(_objects(place(namespace, context, kubeconfig, everywhere=everywhere)))
    rows = list(_rows(loaded, objects, together(paths, loaded, objects)))
    if not output.for_people:
        show_data(rows, output)
        return
    columns: list[str | Column] = [
        "NAME",
        Column("ORIGIN", spare=1),
        "MODE",
        "ACCEPTED",
        Column("MESSAGE", text=True),
    ]
    show(table(columns, [list(row.values()) for row in rows]), output)


async def _objects(at: Place) -> tuple[PolicyObject, ...]:
    async with connected(at) as cluster:
        return await cluster.reader.policies(at.namespace)


def _rows(loaded: PolicySet, objects: tuple[PolicyObject, ...], both: PoliciesInForce) -> Iterator[Row]:
    for policy in loaded.policies:
        yield _row(policy.name, policy.source, policy.mode.value, "True", "")
    for each in objects:
        standing, said = both.standings()[each.key], each.message
        mode = standing.policy.mode.value if standing.policy is not None else ""
        accepted = str(not (each.refused or standing.mistakes))
        yield _row(each.full_name, str(each), mode, accepted, said or in_words(standing.mistakes))


def _row(name: str, origin: str, mode: str, accepted: str, message: str) -> Row:
    return {"name": name, "origin": origin, "mode": mode, "accepted": accepted, "message": message}
