"""`sentinel rules show`: which policy guards a workload, and why the others do not."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from sentinel.adapters.kubernetes.custom.policy_objects import PolicyObject
from sentinel.app.commands.connection import connected, place, run
from sentinel.app.commands.flags import Context, Kubeconfig, Namespace
from sentinel.app.commands.naming import kind_named
from sentinel.app.commands.output import Output, OutputOption, show, show_data
from sentinel.app.commands.rulesets.everywhere import readable_objects, together
from sentinel.app.exitcodes import UsageError
from sentinel.domain.errors import ConfigurationError
from sentinel.domain.policy.policy import Policy
from sentinel.domain.workload.facts import Workload, WorkloadKey
from sentinel.domain.workload.kinds import USUAL_KIND
from sentinel.domain.workload.revision import Revision
from sentinel.engine.choosing import PolicyChoice, choose
from sentinel.engine.matching import Ambiguous, Guarded
from sentinel.policies.load import PolicySet, describe, load
from sentinel.policies.schema.quantities import format_duration


def show_command(
    workload: Annotated[str, typer.Argument(metavar="WORKLOAD", help="KIND/NAME, or just NAME.")],
    rules: Annotated[
        list[Path] | None, typer.Option("--rules", "-r", help="Rule files or folders. Default: rules/.")
    ] = None,
    namespace: Namespace = "",
    kind: Annotated[str, typer.Option("--kind", help="The kind, if WORKLOAD does not name it.")] = "",
    labels: Annotated[
        str | None,
        typer.Option("--labels", "-l", help="The workload's labels, a=b,c=d, instead of the cluster's."),
    ] = None,
    output: OutputOption = Output.TABLE,
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Show which policy guards a workload, and why the others do not. Exit code 1 if no policy guards it.

    Reads the workload, and policies that are objects, from the cluster, unless --labels gives its labels.
    """
    paths = rules or [Path("rules")]
    result = load(paths)
    if not isinstance(result, PolicySet):
        raise ConfigurationError(f"the rule files have errors:\n{describe(result)}")
    policies: Sequence[Policy] = result.policies
    if labels is not None:
        called = kind or workload.rpartition("/")[0]
        chosen = kind_named(called) if called else USUAL_KIND
        key = WorkloadKey(chosen, namespace or "default", workload.rpartition("/")[2])
        found = Workload(key, "", Revision(""), labels=_labels(labels))
    else:
        found, objects = run(_from_cluster(workload, namespace, context, kubeconfig))
        policies = together(paths, result, objects).policies()
    choice = choose(policies, found)
    if output.for_people:
        show("\n".join(_lines(found, choice)), output)
    else:
        show_data(_as_data(found, choice), output)
    if not isinstance(choice.guard, Guarded):
        raise typer.Exit(1)


async def _from_cluster(
    name: str, namespace: str, context: str, kubeconfig: str
) -> tuple[Workload, tuple[PolicyObject, ...]]:
    async with connected(place(namespace, context, kubeconfig)) as cluster:
        return await cluster.workload(name), await readable_objects(cluster, cluster.place.namespace)


def _labels(text: str) -> dict[str, str]:
    """Labels as `kubectl` writes them: a=b,c=d. Raises ConfigurationError."""
    labels = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise UsageError(f"--labels: {part!r} is not a label (write name=value, several with commas)")
        labels[name] = value
    return labels


def _lines(workload: Workload, choice: PolicyChoice) -> Iterator[str]:
    listed = ", ".join(f"{name}={value}" for name, value in sorted(workload.labels.items()))
    yield f"{workload.key}, {f'labels {listed}' if listed else 'no labels'}"
    if isinstance(choice.guard, Guarded):
        yield f"guarded by {choice.guard.policy.name}, {choice.guard.policy.source}"
        yield from (f"  {line}" for line in _summary(choice.guard.policy))
    elif isinstance(choice.guard, Ambiguous):
        yield f"not guarded: {choice.guard}"
    else:
        yield "not guarded: no policy matches"
    if choice.others:
        yield "other policies"
        yield from (f"  {policy.name}: {why}" for policy, why in choice.others)


def _summary(policy: Policy) -> Iterator[str]:
    strategy = policy.strategy
    steps = ", ".join(
        f"{step.weight * 100:g}% for {format_duration(step.bake)}{', then an approval' if step.approval else ''}"
        for step in strategy.steps
    )
    yield f"mode: {policy.mode.value}"
    yield f"steps: {f'{steps}, ' if steps else ''}100% for {format_duration(strategy.bake)}"
    yield f"rules: {', '.join(rule.name for rule in policy.rules) or 'none'}"
    if policy.alerts:
        yield f"alerts: {', '.join(alert.action.value for alert in policy.alerts)}"


def _as_data(workload: Workload, choice: PolicyChoice) -> dict[str, object]:
    guarding = choice.guard.policy if isinstance(choice.guard, Guarded) else None
    return {
        "workload": str(workload.key),
        "labels": dict(workload.labels),
        "policy": guarding.name if guarding else None,
        "source": guarding.source if guarding else None,
        "origin": guarding.origin.value if guarding else None,
        "ambiguous": [p.name for p in choice.guard.policies] if isinstance(choice.guard, Ambiguous) else [],
        "others": [{"policy": policy.name, "why": why} for policy, why in choice.others],
    }
