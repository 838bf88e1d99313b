"""A rule's measurements over time as an inline SVG: both arms, the limit, the decision, and what really happened."""

from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape

from sentinel.app.rehearsal.model import Curve, MeasuredPoint, PastRollout, Told
from sentinel.domain.figures import percent, seconds

WIDTH, HEIGHT = 880, 220
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 28, 28
CANDIDATE, BASELINE, LIMIT, DECIDED, REAL = "#c0352b", "#2f6db5", "#8a8f98", "#1b7f3b", "#9a6700"


def plot(curve: Curve, rollout: PastRollout, decisive: Told | None) -> str:
    """The plot of one rule."""
    times = [point.at for point in curve.points]
    marks = [(decisive.at, DECIDED, decisive.action)] if decisive is not None else []
    if rollout.ended is not None and rollout.ended <= times[-1]:
        marks.append((rollout.ended, REAL, "in reality " + rollout.fate.value))
    first = min([rollout.began, *times])
    last = max([*times, *(at for at, _, _ in marks)])
    seconds = max((last - first).total_seconds(), 1.0)
    top = _top(curve)

    def across(at: datetime) -> float:
        return LEFT + (at - first).total_seconds() / seconds * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - min(max(value / top, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM)

    parts = [_frame(curve, first, last, top)]
    if curve.limit is not None:
        parts.append(_level(up(curve.limit), LIMIT, f"limit {_number(curve.limit, curve.unit)}"))
    parts.append(_line(curve.points, lambda point: point.baseline, across, up, BASELINE))
    parts.append(_line(curve.points, lambda point: point.candidate, across, up, CANDIDATE))
    parts += [_mark(across(at), colour, text) for at, colour, text in marks]
    label = escape(f"{curve.rule} of {rollout.namespace}/{rollout.workload}", quote=True)
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="system-ui,sans-serif" font-size="12" fill="currentColor">{"".join(parts)}</svg>'
    )


def _top(curve: Curve) -> float:
    values = [
        value for point in curve.points for value in (point.candidate, point.baseline) if value is not None
    ]
    top = max([*values, curve.limit or 0.0], default=0.0)
    return top * 1.1 if top > 0 else 1.0


def _frame(curve: Curve, first: datetime, last: datetime, top: float) -> str:
    bottom, end = HEIGHT - BOTTOM, WIDTH - RIGHT
    return (
        f'<text x="{LEFT}" y="14" font-weight="bold">{escape(curve.rule)}</text>'
        f'<text x="{end}" y="14" text-anchor="end"><tspan fill="{CANDIDATE}">new revision</tspan>  '
        f'<tspan fill="{BASELINE}">old revision</tspan></text>'
        f'<path d="M{LEFT} {TOP}V{bottom}H{end}" fill="none" stroke="{LIMIT}"/>'
        f'<text x="{LEFT - 6}" y="{TOP + 8}" text-anchor="end">{_number(top, curve.unit)}</text>'
        f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">0</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 8}">{first:%H:%M:%S}</text>'
        f'<text x="{end}" y="{HEIGHT - 8}" text-anchor="end">{last:%H:%M:%S}</text>'
    )


def _line(
    points: Sequence[MeasuredPoint],
    value: Callable[[MeasuredPoint], float | None],
    across: Callable[[datetime], float],
    up: Callable[[float], float],
    colour: str,
) -> str:
    """A line with gaps where nothing was measured; a lone point is a dot."""
    path, pen = "", "M"
    for point in points:
        found = value(point)
        if found is None:
            pen = "M"
            continue
        path += f"{pen}{across(point.at):.1f} {up(found):.1f}" + ("h.1" if pen == "M" else "")
        pen = "L"
    if not path:
        return ""
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-linecap="round"/>'


def _level(height: float, colour: str, text: str) -> str:
    return (
        f'<path d="M{LEFT} {height:.1f}H{WIDTH - RIGHT}" stroke="{colour}" stroke-dasharray="5 4"/>'
        f'<text x="{WIDTH - RIGHT}" y="{height - 4:.1f}" text-anchor="end" fill="{colour}">{escape(text)}</text>'
    )


def _mark(x: float, colour: str, text: str) -> str:
    anchor = "end" if x > WIDTH / 2 else "start"
    beside = x - 4 if anchor == "end" else x + 4
    return (
        f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="{colour}" stroke-width="2"/>'
        f'<text x="{beside:.1f}" y="{TOP + 10}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
    )


def _number(value: float, unit: str) -> str:
    if unit == "share":
        return percent(value)
    return seconds(value) if unit == "seconds" else f"{value:.4g}"
