"""The report as one HTML page that needs nothing beside itself: no script, no request, everything escaped."""

from collections.abc import Iterable
from html import escape

from sentinel.app.rehearsal.model import Rehearsed, RehearsedVerdict, Told
from sentinel.app.rehearsal.plot import plot
from sentinel.app.rehearsal.summary import RehearsalReport, sentences
from sentinel.domain.figures import duration

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#1b1f24}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:2rem 0 .3rem}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d8dee4;vertical-align:top}
.tag{display:inline-block;border-radius:.6rem;padding:0 .6rem;color:#fff;background:#6e7781}
.undo{background:#c0352b}.promote{background:#2c7a3f}.hold{background:#9a6700}.failed{background:#7d3ca3}
.false{outline:2px solid #c0352b;outline-offset:1px}svg{max-width:100%;height:auto}code{font-size:.9em}
.quiet{color:#57606a}@media(prefers-color-scheme:dark){body{background:#14171a;color:#dfe3e8}
td,th{border-color:#373e47}.quiet{color:#9aa4af}}
"""


def html_report(report: RehearsalReport) -> str:
    """The page."""
    title = "Rehearsal of the rules"
    facts = "".join(
        f"<li>{escape(sentence)}</li>" for sentence in (*sentences(report.summary), *report.notes)
    )
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{title}</h1>"
        f'<p class="quiet">{report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC, from '
        f"{escape(report.prometheus)}; rules <code>{escape(report.rules[:12])}</code></p>"
        f"<ul>{facts}</ul>{_overview(report.results)}"
        f"{''.join(_section(index, one) for index, one in enumerate(report.results))}"
        "</body></html>\n"
    )


def _overview(results: Iterable[Rehearsed]) -> str:
    rows = "".join(
        f'<tr><td><a href="#r{index}">{one.rollout.began:%Y-%m-%d %H:%M:%S}</a></td>'
        f"<td>{escape(one.rollout.namespace)}/{escape(one.rollout.workload)}</td>"
        f"<td><code>{escape(one.rollout.candidate)}</code></td><td>{_tag(one)}</td>"
        f"<td>{_after(one)}</td><td>{escape(one.rollout.fate.value)}</td>"
        f"<td>{duration(one.saved) if one.saved is not None else ''}</td></tr>"
        for index, one in enumerate(results)
    )
    head = "".join(
        f"<th>{name}</th>"
        for name in ("began", "workload", "revision", "would have", "after", "in reality", "faster by")
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _section(index: int, result: Rehearsed) -> str:
    rollout = result.rollout
    ended = ""
    if rollout.ended is not None:
        ended = f" after {duration(rollout.ended - rollout.began)}"
    policy = f" by policy {escape(result.policy)}" if result.policy else ""
    plots = "".join(plot(curve, rollout, result.decisive) for curve in result.curves if curve.points)
    return (
        f'<h2 id="r{index}">{escape(rollout.namespace)}/{escape(rollout.workload)} '
        f"{_tag(result)}</h2>"
        f'<p class="quiet">{escape(rollout.stable)} to {escape(rollout.candidate)} at '
        f"{rollout.began:%Y-%m-%d %H:%M:%S} UTC{policy}; in reality {escape(rollout.fate.value)}{ended}</p>"
        f"{f'<p>{escape(result.problem)}</p>' if result.problem else ''}"
        f"{_decisions(result.decisions)}{plots}"
    )


def _decisions(decisions: Iterable[Told]) -> str:
    rows = "".join(
        f"<tr><td>{told.at:%H:%M:%S}</td><td>{escape(told.action)}</td><td>{escape(told.reason)}</td>"
        f"<td>{escape(told.message)}{_numbers(told)}</td></tr>"
        for told in decisions
    )
    return f"<table><tbody>{rows}</tbody></table>" if rows else ""


def _numbers(told: Told) -> str:
    if not told.numbers:
        return ""
    shown = ", ".join(f"{name} {value}" for name, value in sorted(told.numbers.items()))
    return f'<br><span class="quiet">{escape(shown)}</span>'


def _after(result: Rehearsed) -> str:
    decisive = result.decisive
    return duration(decisive.at - result.rollout.began) if decisive is not None else ""


def _tag(result: Rehearsed) -> str:
    kinds = {
        RehearsedVerdict.UNDO: "undo",
        RehearsedVerdict.PROMOTE: "promote",
        RehearsedVerdict.HOLD: "hold",
        RehearsedVerdict.FAILED: "failed",
    }
    kind = kinds.get(result.verdict, "")
    doubt = " false" if result.suspected_false else ""
    text = result.verdict.value + (" (suspected false)" if result.suspected_false else "")
    return f'<span class="tag {kind}{doubt}">{escape(text)}</span>'
