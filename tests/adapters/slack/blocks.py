"""Block Kit's rules, as far as our messages use it, and the text that one would read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def texts(blocks: Sequence[Mapping[str, Any]]) -> Iterable[tuple[Mapping[str, Any], int]]:
    """Every text object with the limit that Slack sets for its place."""
    for block in blocks:
        if "text" in block:
            yield block["text"], 3000
        for text in block.get("fields", ()):
            yield text, 2000
        for text in block.get("elements", ()):
            yield text, 3000


def assert_valid(blocks: Sequence[Mapping[str, Any]]) -> None:
    """Slack would take these blocks, and nothing in them mentions or links."""
    assert 1 <= len(blocks) <= 50
    for block in blocks:
        assert block["type"] in {"section", "context"}
        assert "text" in block or 1 <= len(block.get("fields", ())) <= 10 or 1 <= len(block["elements"]) <= 10
    for text, limit in texts(blocks):
        assert text["type"] == "mrkdwn"
        assert text["verbatim"] is True
        assert 1 <= len(text["text"]) <= limit
        unlinked = re.sub(r"<https://[^<>|\s]+\|[^<>|&]+>", "", text["text"])  # links that we made
        assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", unlinked)


def shown(blocks: Sequence[Mapping[str, Any]]) -> str:
    """All text, a block a paragraph."""
    paragraphs = []
    for block in blocks:
        parts = [block["text"]] if "text" in block else [*block.get("fields", ()), *block.get("elements", ())]
        paragraphs.append("\n".join(part["text"] for part in parts))
    return "\n\n".join(paragraphs)
