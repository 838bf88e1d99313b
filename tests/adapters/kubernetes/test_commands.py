"""The store of RolloutCommands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sentinel.adapters.kubernetes.api.client import ApiClient, RequestTarget
from sentinel.adapters.kubernetes.api.resources import COMMANDS
from sentinel.adapters.kubernetes.custom.commands import command_of
from sentinel.adapters.kubernetes.custom.crd import definitions
from sentinel.adapters.kubernetes.gateway import KubernetesGateway
from sentinel.domain.command import Command, CommandAction, CommandPhase, Refusal
from sentinel.domain.errors import ConflictError, InvalidObjectError
from sentinel.domain.workload.facts import WorkloadKey
from tests.adapters.kubernetes.worlds import NOW, WEB, until


async def ask(client: ApiClient, action: str = "undo", **spec: Any) -> Command:
    """Make a command as kubectl does."""
    body = {
        "apiVersion": "rollback-sentinel.dev/v1",
        "kind": "RolloutCommand",
        "metadata": {"generateName": f"{action}-"},
        "spec": {
            "workload": {"kind": "Deployment", "name": "web"},
            "action": action,
            "requestedBy": "alice",
            **spec,
        },
    }
    return command_of(await client.create(RequestTarget(COMMANDS, "default"), body))


async def seen(gateway: KubernetesGateway, count: int = 1) -> tuple[Command, ...]:
    """The workload's commands, once the watch has brought so many."""
    await until(lambda: len(gateway.commands.of_workload(WEB)) == count)
    return gateway.commands.of_workload(WEB)


async def test_what_was_asked_is_read_and_told(client: ApiClient, gateway: KubernetesGateway) -> None:
    """Every field of the spec, by the watch, and pending."""
    told: list[WorkloadKey] = []
    gateway.commands.subscribe(told.append)
    await ask(client, "undo", toRevision=3, reason="wrong prices", record="web-1")
    (command,) = await seen(gateway)
    assert command.action is CommandAction.UNDO
    assert (command.to_revision, command.reason, command.record) == (3, "wrong prices", "web-1")
    assert command.requested_by == "alice"
    assert command.phase is CommandPhase.PENDING
    assert told == [WEB]
    assert list(gateway.commands.workloads()) == [WEB]


async def test_an_answer_stands_in_the_status_and_leaves_the_spec(
    client: ApiClient, gateway: KubernetesGateway
) -> None:
    """It is visible at once, and to everyone."""
    asked = await ask(client, "approve", step=2)
    (command,) = await seen(gateway)
    await gateway.commands.answer(command, CommandPhase.REFUSED, "it only observes", NOW, Refusal.OBSERVES)
    (own,) = gateway.commands.of_workload(WEB)
    assert own.phase is CommandPhase.REFUSED
    stored = command_of(await client.get(RequestTarget(COMMANDS, "default", asked.name)))
    answered = replace(asked, phase=CommandPhase.REFUSED, message="it only observes", refusal="ObserveMode")
    assert stored == replace(answered, answered_at=NOW, version=stored.version)


async def test_an_answer_to_another_version_is_refused(client: ApiClient, gateway: KubernetesGateway) -> None:
    """Someone changed what they ask for: it is read again first."""
    await ask(client)
    (command,) = await seen(gateway)
    patch = {"spec": {"reason": "after all"}}
    await client.merge_patch(RequestTarget(COMMANDS, "default", command.name), patch)
    with pytest.raises(ConflictError):
        await gateway.commands.answer(command, CommandPhase.DONE, "done", NOW)


async def test_a_command_that_was_withdrawn_needs_no_answer(
    client: ApiClient, gateway: KubernetesGateway
) -> None:
    """It is forgotten, whether we or the watch see that first."""
    await ask(client)
    (command,) = await seen(gateway)
    await client.delete(RequestTarget(COMMANDS, "default", command.name))
    await gateway.commands.answer(command, CommandPhase.DONE, "done", NOW)
    await until(lambda: gateway.commands.of_workload(WEB) == ())


async def test_a_command_is_removed_once(client: ApiClient, gateway: KubernetesGateway) -> None:
    """One that is gone already is fine."""
    await ask(client)
    (command,) = await seen(gateway)
    await gateway.commands.delete(command)
    await gateway.commands.delete(command)
    assert gateway.commands.of_workload(WEB) == ()
    assert not list(gateway.commands.workloads())


@pytest.mark.parametrize(
    "spec",
    [{"action": "explode"}, {"requestedBy": ""}, {"step": 0}, {"workload": {"kind": "Job", "name": "web"}}],
)
async def test_the_definition_refuses_nonsense(client: ApiClient, spec: dict[str, Any]) -> None:
    """Already the API server says so, with the field."""
    with pytest.raises(InvalidObjectError, match="spec"):
        await ask(client, **spec)


def test_the_columns_tell_a_command_at_a_glance() -> None:
    """`kubectl get rolloutcommands` shows who asked for what, and what became of it."""
    definition = next(each for each in definitions() if each["spec"]["names"]["kind"] == "RolloutCommand")
    (version,) = definition["spec"]["versions"]
    shown = [column["name"] for column in version["additionalPrinterColumns"] if not column.get("priority")]
    assert shown == ["Workload", "Action", "By", "Phase", "Message", "Age"]
    assert version["subresources"] == {"status": {}}
