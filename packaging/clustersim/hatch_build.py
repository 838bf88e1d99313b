"""Where the distribution's package is: in the checkout, beside this folder."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CheckoutHook(BuildHookInterface):  # type: ignore[misc]
    """Puts the package into a wheel. An editable installation names the checkout instead, and must hold no copy."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the build."""
        if version != "editable":
            build_data["force_include"][str(Path(self.root).parents[1] / "clustersim")] = "clustersim"
