"""The store of RolloutCommands: read from the watch, answered in their status."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime

from sentinel.adapters.kubernetes.api.client import ApiClient, Json, RequestTarget
from sentinel.adapters.kubernetes.api.raw import ObjectKey, RawObject, mapping, text, time
from sentinel.adapters.kubernetes.api.resources import COMMANDS
from sentinel.adapters.kubernetes.custom.codec import decode, encode
from sentinel.domain.command import Command, CommandAction, CommandPhase
from sentinel.domain.errors import ConflictError, NotFoundError
from sentinel.domain.workload.facts import WorkloadKey
from sentinel.domain.workload.kinds import WorkloadKind
from sentinel.values import dataclass, replace

SOURCE = "rollback-sentinel.dev/source"
"""The annotation that says from where a person asked."""
_MESSAGE_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class NamedWorkload:
    """A workload in the namespace of the object that names it."""

    kind: WorkloadKind
    name: str


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """What is asked for."""

    workload: NamedWorkload
    action: CommandAction
    requested_by: str
    record: str = ""
    step: int | None = None
    to_revision: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CommandStatus:
    """Its outcome."""

    phase: CommandPhase = CommandPhase.PENDING
    message: str = ""
    reason: str = ""
    at: datetime | None = None


class KubernetesCommandStore:
    """Implements `ports.CommandStore` and `ports.CommandRequests`."""

    def __init__(
        self,
        client: ApiClient,
        pair_of: Callable[[WorkloadKey], WorkloadKey] = lambda key: key,
        called: Callable[[WorkloadKey], tuple[WorkloadKey, ...]] = lambda key: (key,),
    ) -> None:
        """`pair_of` is the pair that a workload is a member of, or itself; `called` all names that mean a workload."""
        self._client = client
        self._pair_of = pair_of
        self._called = called
        self._commands: defaultdict[WorkloadKey, dict[ObjectKey, Command]] = defaultdict(dict)
        self._listeners: list[Callable[[WorkloadKey], None]] = []

    def subscribe(self, listener: Callable[[WorkloadKey], None]) -> None:
        """Call the listener whenever a command for a workload was made or changed."""
        self._listeners.append(listener)

    def workloads(self) -> Iterable[WorkloadKey]:
        """Every workload that there is a command for."""
        return tuple(dict.fromkeys(map(self._pair_of, self._commands)))

    def of_workload(self, key: WorkloadKey) -> tuple[Command, ...]:
        """All commands for a workload, oldest first. Own answers are visible at once."""
        commands = [one for name in self._called(key) for one in self._commands.get(name, {}).values()]
        return tuple(sorted(commands, key=lambda command: (command.created_at, command.name)))

    async def answer(
        self, command: Command, phase: CommandPhase, message: str, at: datetime, refusal: str = ""
    ) -> None:
        """Write its outcome; a command that is gone does not need an answer."""
        answered = replace(
            command, phase=phase, message=message[:_MESSAGE_LIMIT], refusal=refusal, answered_at=at
        )
        try:
            raw = await self._client.replace(_place(command, "status"), _object_of(answered))
        except NotFoundError as error:
            if error.reason != "NotFound":
                raise
            self._commands.get(command.key, {}).pop(_key(command), None)
            return
        self._commands[command.key][_key(command)] = command_of(raw)

    async def request(
        self,
        key: WorkloadKey,
        action: CommandAction,
        *,
        name: str,
        requested_by: str,
        record: str = "",
        step: int | None = None,
        reason: str = "",
        source: str = "",
    ) -> bool:
        """Make a command in a person's name; False where one of this name was made already."""
        spec = CommandSpec(
            NamedWorkload(key.kind, key.name), action, requested_by, record, step, reason=reason
        )
        metadata: Json = {"name": name, "namespace": key.namespace}
        if source:
            metadata["annotations"] = {SOURCE: source}
        body: Json = {
            "apiVersion": COMMANDS.api_version,
            "kind": "RolloutCommand",
            "metadata": metadata,
            "spec": encode(spec),
        }
        try:
            await self._client.create(RequestTarget(COMMANDS, key.namespace), body)
        except ConflictError as error:
            if error.reason != "AlreadyExists":
                raise
            return False
        return True

    async def delete(self, command: Command) -> None:
        """Remove it; one that is already gone, or was created again under its name, is fine."""
        try:
            await self._client.delete(_place(command), uid=command.uid)
        except (NotFoundError, ConflictError) as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise
        self._forget(command)

    def observed(self, key: ObjectKey, before: Command | None, after: Command | None) -> None:
        """The watch's handler."""
        if after is None:
            if before is not None:
                self._forget(before)
            return
        if before is not None and before.key != after.key:
            self._forget(before)
        held = self._commands[after.key].get(key)
        if held is None or held.uid != after.uid or _order(after) > _order(held):
            self._commands[after.key][key] = after
        for listener in self._listeners:
            listener(self._pair_of(after.key))

    def _forget(self, command: Command) -> None:
        commands = self._commands.get(command.key)
        held = commands.get(_key(command)) if commands else None
        if commands is None or held is None or held.uid != command.uid:
            return
        del commands[_key(command)]
        if not commands:
            del self._commands[command.key]


def command_of(raw: RawObject) -> Command:
    """The command of an object.

    Raises ValueError that names the field which is missing or cannot be read.
    """
    metadata = mapping(raw.get("metadata"))
    spec = decode(CommandSpec, raw.get("spec"))
    status = decode(CommandStatus, mapping(raw.get("status")))
    created_at = time(metadata.get("creationTimestamp"))
    if created_at is None:
        raise ValueError("RolloutCommand lacks metadata.creationTimestamp")
    return Command(
        name=text(metadata.get("name")),
        key=WorkloadKey(spec.workload.kind, text(metadata.get("namespace")), spec.workload.name),
        action=spec.action,
        requested_by=spec.requested_by,
        created_at=created_at,
        uid=text(metadata.get("uid")),
        record=spec.record,
        step=spec.step,
        to_revision=spec.to_revision,
        reason=spec.reason,
        phase=status.phase,
        message=status.message,
        refusal=status.reason,
        answered_at=status.at,
        version=text(metadata.get("resourceVersion")),
    )


def _object_of(command: Command) -> Json:
    spec = CommandSpec(
        workload=NamedWorkload(command.key.kind, command.key.name),
        action=command.action,
        requested_by=command.requested_by,
        record=command.record,
        step=command.step,
        to_revision=command.to_revision,
        reason=command.reason,
    )
    return {
        "apiVersion": COMMANDS.api_version,
        "kind": "RolloutCommand",
        "metadata": {
            "name": command.name,
            "namespace": command.key.namespace,
            "uid": command.uid,
            "resourceVersion": command.version,
        },
        "spec": encode(spec),
        "status": encode(CommandStatus(command.phase, command.message, command.refusal, command.answered_at)),
    }


def _key(command: Command) -> ObjectKey:
    return command.key.namespace, command.name


def _place(command: Command, subresource: str = "") -> RequestTarget:
    return RequestTarget(COMMANDS, command.key.namespace, command.name, subresource)


def _order(command: Command) -> int:
    return int(command.version) if command.version.isdecimal() else 0
