"""Gates of imported steps, checked as a rule file's own are."""

from pydantic import ValidationError

from sentinel.policies.explain import mistakes_of
from sentinel.policies.importing.draft import ImportRefusedError, Values
from sentinel.policies.schema.strategy import GateSpec

MAX_GATES = 10
"""Of one step of a rule file."""


def require_valid(gate: Values) -> None:
    """Raises ImportRefusedError with the reason why the schema refuses the gate."""
    try:
        GateSpec.model_validate(gate)
    except ValidationError as error:
        path, mistake = next(mistakes_of(error, GateSpec))
        where = ".".join(str(part) for part in (*path, *mistake.at) if part != "webhook")
        raise ImportRefusedError(f"{where} {mistake}") from None
