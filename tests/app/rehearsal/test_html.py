"""The HTML report: whole by itself, and safe whatever names and messages hold."""

import re
from html.parser import HTMLParser

from sentinel.app.rehearsal.html import html_report
from sentinel.app.rehearsal.model import RehearsedVerdict, RevisionFate
from tests.app.rehearsal.results import report, result

VOID = {"meta", "br"}
EVIL = "<script>alert(1)</script>\"'&"


class Reader(HTMLParser):
    """Collects tags and attributes, and sees that everything that is opened is closed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    """The page, parsed."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader


def test_each_rollout_has_its_verdict_evidence_and_plot() -> None:
    """What was decided, on what numbers, and the curves with the decision in them."""
    page = read(
        html_report(
            report(
                result(RehearsedVerdict.UNDO, RevisionFate.ROLLED_BACK, minutes=2.5),
                result(RehearsedVerdict.PROMOTE),
            )
        )
    )
    assert page.tags.count("svg") == 2
    assert "20 % of 100 requests failed" in page.text
    assert "limit 5%" in page.text
    assert "in reality rolled back" in page.text
    assert "30 s" in page.text


def test_an_undo_that_is_suspected_false_is_marked() -> None:
    """The reader's eye should fall on it."""
    assert "undo (suspected false)" in read(html_report(report(result(RehearsedVerdict.UNDO)))).text


def test_nothing_is_fetched_and_nothing_runs() -> None:
    """No script, no link out, no source, and a policy that forbids them."""
    page = read(html_report(report(result(RehearsedVerdict.UNDO))))
    assert not {"script", "link", "img", "iframe", "object", "embed"} & set(page.tags)
    targets = [
        value for name, value in page.attributes if name in ("src", "href", "action") or name.startswith("on")
    ]
    assert all(value is not None and value.startswith("#") for value in targets)
    assert not re.search(r"url\(|@import", html_report(report(result(RehearsedVerdict.UNDO))))
    assert any(value and "default-src 'none'" in value for _, value in page.attributes)


def test_everything_that_comes_from_outside_is_escaped() -> None:
    """Names, messages, problems and notes are text, whatever they hold."""
    evil = result(RehearsedVerdict.UNDO, name=EVIL, message=EVIL)
    page = read(html_report(report(evil)))
    assert "script" not in page.tags
    assert page.text.count(EVIL) >= 3
