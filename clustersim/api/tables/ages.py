"""Ages and time spans in the short form of kubectl."""

from __future__ import annotations

from datetime import UTC, datetime


def age(stamp: str | None, now: datetime) -> str:
    """How long ago a time stamp was, in the short form of kubectl."""
    if not stamp:
        return "<unknown>"
    text = stamp.partition(".")[0].rstrip("Z")
    then = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return duration(int((now - then).total_seconds()))


def duration(seconds: int) -> str:
    """A time span with the two units that matter at most."""
    if seconds < 0:
        return "0s" if seconds >= -1 else "<invalid>"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    return f"{days}d" if days < 730 else f"{days // 365}y"
