"""Reads an imported rule file back, as the daemon does."""

import tempfile
from pathlib import Path

from sentinel.domain.policy.policy import Policy
from sentinel.policies.load import PolicySet, load


def policies_of(text: str) -> tuple[Policy, ...]:
    """The policies of a rule file, in their order in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "imported.yaml"
        path.write_text(text, encoding="utf-8")
        loaded = load([path])
    assert isinstance(loaded, PolicySet), "\n".join(map(str, loaded))
    return loaded.policies
