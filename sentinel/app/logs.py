"""Structured logs: JSON lines in the cluster, readable lines on a terminal."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

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
_EVERY_RECORD_HAS = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
"""The rest of a record was given as `extra`."""


def configure_logs(level: str, style: str, stream: TextIO | None = None) -> None:
    """Send every record of the standard library's logging to the stream (default stderr), one line each.

    `style` is `json`, `console` or `auto`: readable on a terminal, JSON elsewhere.
    """
    out = stream or sys.stderr
    readable = style == "console" or (style == "auto" and out.isatty())
    handler = logging.StreamHandler(out)
    handler.setFormatter(_for_people(out) if readable else JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _for_people(out: TextIO) -> logging.Formatter:
    # Not at the top: a daemon in a cluster, which writes JSON, would hold the library for good.
    from sentinel.app.readablelogs import formatter

    return formatter(colors=out.isatty())


class JsonLines(logging.Formatter):
    """A record as one object: what a reader looks for first comes first, then what was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its line break."""
        at = datetime.fromtimestamp(record.created, UTC)
        fields = {
            "timestamp": at.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "logger": record.name,
        }
        fields |= {name: value for name, value in vars(record).items() if name not in _EVERY_RECORD_HAS}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack_info"] = record.stack_info
        return _encode(fields)


_encode = json.JSONEncoder(default=repr).encode
