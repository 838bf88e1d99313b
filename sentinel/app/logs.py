"""Structured logs: JSON lines in the cluster, readable lines on a terminal."""

import logging
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog

from sentinel.domain.words import plain

QUIET = (
    "aiohttp.access",
    "asyncio",
    "slack_sdk",
    "urllib3",
    "datadog_api_client",
    "kubernetes_asyncio",
    "watchfiles",
)
"""Loggers of libraries that say too much below warning."""


def configure_logs(level: str, style: str, stream: TextIO | None = None) -> None:
    """Send every record of the standard library's logging to the stream (default stderr), one line each.

    `style` is `json`, `console` or `auto`: readable on a terminal, JSON elsewhere.
    """
    out = stream or sys.stderr
    readable = style == "console" or (style == "auto" and out.isatty())
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.stdlib.ExtraAdder(),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_readable(out) if readable else _json()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _readable(out: TextIO) -> list[Any]:
    return [
        structlog.processors.format_exc_info,
        _harmless,
        structlog.dev.ConsoleRenderer(colors=out.isatty(), sort_keys=False),
    ]


def _json() -> list[Any]:
    return [structlog.processors.format_exc_info, _message_first, structlog.processors.JSONRenderer()]


def _harmless(_logger: object, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Text from others cannot control the terminal or look like a separate line: its further lines are indented."""
    return {_shown(name): _shown(value) if isinstance(value, str) else value for name, value in event.items()}


def _shown(text: str) -> str:
    return "\n    ".join(plain(line) for line in text.split("\n"))


def _message_first(_logger: object, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that a reader looks for first come first, and the text is called `message`."""
    rest = dict(event)
    first = {"timestamp": rest.pop("timestamp", ""), "level": rest.pop("level", "")}
    return {**first, "message": rest.pop("event", ""), **rest}
