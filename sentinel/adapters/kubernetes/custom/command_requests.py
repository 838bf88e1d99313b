"""RolloutCommands from the side of the human who asks: made under their own name, and waited for."""

from sentinel.adapters.kubernetes.api.client import ApiClient, Json, RequestTarget
from sentinel.adapters.kubernetes.api.raw import mapping, text
from sentinel.adapters.kubernetes.api.resources import COMMANDS, ApiResource
from sentinel.adapters.kubernetes.custom.commands import command_of
from sentinel.domain.command import Command, CommandAction
from sentinel.domain.errors import ClusterError, ConflictError, NotFoundError
from sentinel.domain.workload.facts import WorkloadKey

SELF_REVIEWS = ApiResource("authentication.k8s.io", "v1", "selfsubjectreviews", namespaced=False)


class CommandSender:
    """Asks through an open ApiClient. Every method raises ClusterError by its named kind."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def whoami(self) -> str:
        """The name by which the API server knows us."""
        review: Json = {"apiVersion": SELF_REVIEWS.api_version, "kind": "SelfSubjectReview"}
        answer = await self._client.create(RequestTarget(SELF_REVIEWS), review)
        user = mapping(mapping(answer.get("status")).get("userInfo"))
        return text(user.get("username"))

    async def ask(
        self,
        key: WorkloadKey,
        action: CommandAction,
        *,
        record: str = "",
        step: int | None = None,
        to_revision: int | None = None,
        reason: str = "",
    ) -> Command:
        """Make the command; it is answered in its status once a sentinel has seen it."""
        spec: Json = {
            "workload": {"kind": key.kind.value, "name": key.name},
            "action": action.value,
            "requestedBy": await self.whoami(),
        }
        further = {"record": record, "step": step, "toRevision": to_revision, "reason": reason}
        body: Json = {
            "apiVersion": COMMANDS.api_version,
            "kind": "RolloutCommand",
            "metadata": {"generateName": f"{action.value}-", "namespace": key.namespace},
            "spec": spec | {name: value for name, value in further.items() if value},
        }
        return _read(await self._client.create(RequestTarget(COMMANDS, key.namespace), body))

    async def fresh(self, command: Command) -> Command:
        """The command as it is answered by now. Raises NotFoundError when it is gone."""
        return _read(await self._client.get(RequestTarget(COMMANDS, command.key.namespace, command.name)))

    async def withdraw(self, command: Command) -> None:
        """Take back what was not answered; one that is gone already is fine."""
        place = RequestTarget(COMMANDS, command.key.namespace, command.name)
        try:
            await self._client.delete(place, uid=command.uid)
        except (NotFoundError, ConflictError) as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise


def _read(raw: Json) -> Command:
    try:
        return command_of(raw)
    except ValueError as error:
        raise ClusterError(f"the answer cannot be read: {error}", reason="BadCommand") from error
