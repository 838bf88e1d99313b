"""Searches the project's texts for words and constructions that the Style section of docs/glossary.md rules out.

Reads string literals, docstrings and comments of Python files, and the prose of documentation, chart and rule files.
Code in backticks is skipped. Prints each finding as `file:line: words: what to write instead` and exits with 1 if
there is any.

    python .ci/style.py            the whole project
    python .ci/style.py PATH ...   these files and folders only
"""

import ast
import re
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

INSTEAD = {
    # Words that are rare today, or read differently by many.
    r"anew": "again",
    r"mend(s|ed|ing)?": "fix, repair, recover",
    r"heed(s|ed|ing)?": "follow, obey, act on",
    r"whoever": "name the role: the caller, the reader, anyone who",
    r"upon": "on",
    r"shall|ought": "must, should",
    r"lest|thereof|therein|thereby|thereupon|whereby|wherein|whereupon|hence|thus": "so, so that, by which",
    r"as ever": "as usual",
    r"for ever": "forever",
    r"as (it|they) stands?": "as it is, unchanged",
    r"in so many words": "explicitly",
    r"but for": "except for",
    r"in vain": "without success",
    r"for want of": "for lack of",
    r"any more(?! than)": "no longer",
    r"passed over": "ignored, skipped",
    r"turned away": "rejected",
    r"held against": "counted against, compared with",
    r"odds against": "N:1 evidence that ...",
    r"a pass over|passes over": "reconcile",
    r"and (its|the) kin": "and similar",
    # Constructions that hide who does what.
    r"(is|are|was|were|be|been|being|gets?) told(?! apart)": "is notified, receives, learns",
    r"(told|tells?|telling) of": "reports",
    r"stands? in(?! line)": "is in; for a substitute: replaces",
    r"(can|could|cannot|may|to|not) be had|had of|(is|are) had": "is available, can be read",
    r"(becomes?|became|comes?|coming) of (it|them|this|that|each|the|an?|every|all)": "the outcome of, the result of",
    r"(knows?|speaks?|says?|said) (nothing |anything )?of": "knows, mentions, reports",
    r"of (its|their|our|his|her|one's) own": "its own X, a separate X",
    r"(is|are|was|were|be|been) kept back": "is held up, waits",
    r"(gives?|gave) no answer": "does not answer",
    r"is well": "is healthy",
    # Negations that a reader must turn around.
    r"(is|are|was|were) (?-i:none)": "is not one, does not exist, is not among",
    r"(?<!there )(is|are|was|were) no(?! (longer|more|worse|slower|less|later|earlier|older|larger)\b)": "is not a",
    r"(has|have|had) no \w+ of": "lacks, does not have",
    # Plurals and punctuation.
    r"1 (alerts|commands|errors|files|namespaces|pods|policies|requests|revisions|rollouts|rules|series|steps|undos"
    r"|workloads)": "the singular",
    r"(?<=[a-z])!(?=\s|$)": "a full stop",
}
_AVOIDED = re.compile(
    rf"\b(?:{'|'.join(f'(?P<word{i}>{words})' for i, words in enumerate(INSTEAD))})(?!\w)", re.IGNORECASE
)
_COMMENTS = re.compile(r"(?:^ *|  )# .*(?:\n *# .*)*", re.MULTILINE)
CHECKED = (
    "sentinel",
    "clustersim",
    "benchmarks",
    "docs",
    "helm",
    "rules",
    "config",
    "README.md",
    "examples",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "action.yml",
    "Makefile",
    "docker-compose.yaml",
)
PROSE = (".md", ".yaml", ".yml", ".json", ".txt", ".tpl", ".toml")

Text = tuple[int, str]
"""The number of a text's first line, and the text."""


def main(paths: Sequence[str]) -> int:
    """The exit status: 1 if a text needs other words, otherwise 0."""
    found = 0
    for path in _files(paths):
        for line, words, instead in sorted(set(findings(path))):
            print(f"{path}:{line}: {words}: {instead}")
            found += 1
    return 1 if found else 0


def findings(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, words and what to write instead, of everything in the file that `INSTEAD` names."""
    source = path.read_text(encoding="utf-8")
    for first, text in _python(source) if path.suffix == ".py" else [(1, source)]:
        # On one line, since the words may stand on two.
        lines = [line.strip(" #") for line in _without_code(text).splitlines()]
        starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
        for match in _AVOIDED.finditer(" ".join(lines)):
            instead = list(INSTEAD.values())[int(str(match.lastgroup).removeprefix("word"))]
            yield first + bisect_right(starts, match.start()) - 1, match[0], instead


def _files(paths: Sequence[str]) -> Iterator[Path]:
    for name in paths or CHECKED:
        top = Path(name)
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and (path == top or path.suffix in (".py", *PROSE)):
                yield path


def _python(source: str) -> Iterator[Text]:
    nodes = list(ast.walk(ast.parse(source)))
    parts = {part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
            yield node.lineno, node.value
    for comments in _COMMENTS.finditer(source):
        yield source.count("\n", 0, comments.start()) + 1, comments[0]


def _without_code(text: str) -> str:
    """The text with blanks for code: fenced blocks, and what is in backticks."""
    fenced = re.sub(r"^( *)```.*?^ *```", _blank, text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]+`", _blank, fenced)


def _blank(code: re.Match[str]) -> str:
    return re.sub(r"[^\n]", "·", code[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
