"""Slack's text: escaped so that no name, label or message can mention, link or format, and cut to its limits."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

MAX_SECTION = 3000
MAX_FIELD = 2000
MAX_FIELDS = 10
MAX_FALLBACK = 1000

Block = Mapping[str, object]

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_CUT = "…"


def escape(text: str, limit: int = MAX_FIELD) -> str:
    """Text as Slack shows it letter by letter, at most `limit` characters once escaped; cut with an ellipsis.

    Every `<` is an entity, so `<!channel>`, `<@U1>` and `<http://…|…>` stay text. Backticks become quotes: they
    would end a code span.
    """
    pieces: list[str] = []
    length = 0
    for character in text:
        piece = _ENTITIES.get(character, "'" if character == "`" else character)
        if not (character.isprintable() or character == "\n"):
            piece = " "  # control and direction characters could dress text up as other text
        pieces.append(piece)
        length += len(piece)
        if length > limit:
            return _shortened(pieces, length, limit)
    return "".join(pieces)


def _shortened(pieces: list[str], length: int, limit: int) -> str:
    while pieces and length > limit - len(_CUT):
        length -= len(pieces.pop())
    return "".join(pieces) + _CUT


def link(url: str, text: str) -> str:
    """A link; what would end it early is encoded."""
    for character in "<>|":
        url = url.replace(character, quote(character))
    return f"<{url}|{escape(text, 100)}>"


def code(text: str, limit: int = 500) -> str:
    """A code span of one line."""
    return f"`{escape(' '.join(text.split()), limit) or '-'}`"


def code_block(text: str, limit: int = 1000) -> str:
    """A block of code, such as a command to copy."""
    return f"```{escape(text, limit)}```"


def section(text: str) -> Block:
    """A paragraph of mrkdwn whose parts are escaped already. One that is too long loses its last lines."""
    return {"type": "section", "text": _mrkdwn(fit(text, MAX_SECTION))}


def fields(pairs: Sequence[tuple[str, str]]) -> Block:
    """Names and values (escaped already) in two columns."""
    texts = [_mrkdwn(f"*{name}*\n{fit(value, MAX_FIELD - len(name) - 3)}") for name, value in pairs]
    return {"type": "section", "fields": texts[:MAX_FIELDS]}


def context(text: str) -> Block:
    """A line in small print."""
    return {"type": "context", "elements": [_mrkdwn(fit(text, MAX_SECTION))]}


def fit(text: str, limit: int) -> str:
    """Escaped text of whole lines within the limit: a line is never cut, so no entity or span is either."""
    if len(text) <= limit:
        return text
    lines: list[str] = []
    for line in text.split("\n"):
        if sum(len(kept) + 1 for kept in lines) + len(line) + len(_CUT) > limit:
            break
        lines.append(line)
    return "\n".join([*lines, _CUT])


def _mrkdwn(text: str) -> Mapping[str, object]:
    # verbatim: Slack makes no links, channels or mentions of what merely looks like them.
    return {"type": "mrkdwn", "text": text, "verbatim": True}
