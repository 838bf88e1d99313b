"""Lines of the log as a person reads them."""

from collections.abc import Mapping
from typing import Any

import structlog

from sentinel.domain.words import plain


def formatter(*, colors: bool) -> structlog.stdlib.ProcessorFormatter:
    """What writes them, with colours where the terminal shows them."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.ExtraAdder(),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _harmless,
            structlog.dev.ConsoleRenderer(colors=colors, sort_keys=False),
        ],
    )


def _harmless(_logger: object, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Text from others cannot control the terminal or look like a separate line: its further lines are indented."""
    return {_shown(name): _shown(value) if isinstance(value, str) else value for name, value in event.items()}


def _shown(text: str) -> str:
    return "\n    ".join(plain(line) for line in text.split("\n"))
