"""Parses the conditions of Argo Rollouts, which are in the language of expr-lang/expr, into a syntax tree.

Source of the grammar and of the operators' precedence: expr-lang/expr, `parser/operator/operator.go` and
`docs/language-definition.md`.
"""

import re

from sentinel.policies.importing.draft import ImportRefusedError
from sentinel.values import dataclass

MAX_LENGTH = 2048
MAX_NESTING = 25


@dataclass(frozen=True, slots=True)
class Number:
    """A number; whole ones were written without a point."""

    text: str

    @property
    def whole(self) -> bool:
        """Whether it was written as a whole number."""
        return self.text.isdigit()


@dataclass(frozen=True, slots=True)
class Truth:
    """true or false."""

    value: bool


@dataclass(frozen=True, slots=True)
class Name:
    """A variable; `#` is the element in a predicate."""

    name: str


@dataclass(frozen=True, slots=True)
class Unary:
    """`!a`, `-a`, `+a`."""

    operator: str
    operand: "Tree"


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands, `and`, `or` written as `&&`, `||`."""

    operator: str
    left: "Tree"
    right: "Tree"


@dataclass(frozen=True, slots=True)
class Conditional:
    """`condition ? yes : no`."""

    condition: "Tree"
    yes: "Tree"
    no: "Tree"


@dataclass(frozen=True, slots=True)
class Index:
    """`a[b]`."""

    of: "Tree"
    index: "Tree"


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """`name(arguments)`."""

    name: str
    arguments: "tuple[Tree, ...]"


Tree = Number | Truth | Name | Unary | Binary | Conditional | Index | FunctionCall

_PRECEDENCE = {
    "||": 10,
    "&&": 15,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 20),
    "+": 30,
    "-": 30,
    "*": 60,
    "/": 60,
    "%": 60,
}
_NOT, _SIGN = 50, 90
_WORDS = {"and": "&&", "or": "||", "not": "!"}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.\d+(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|\d+(?:[eE][-+]?\d+)?)(?![\w.])"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<text>\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`)"
    r"|(?P<sign>\|\||&&|==|!=|<=|>=|\*\*|\?\?|\?\.|\.\.|[-+*/%<>!?:()\[\]{},#.|^;=&]))"
)


def parse(condition: str) -> Tree:
    """The syntax tree. Raises ImportRefusedError that names what has no equivalent or is not an expression."""
    if len(condition) > MAX_LENGTH:
        raise ImportRefusedError(f"the condition is longer than {MAX_LENGTH} characters")
    parser = _Parser(_tokens(condition))
    tree = parser.choice()
    if parser.ahead:
        raise _unexpected(parser.ahead)
    return tree


def _tokens(condition: str) -> list[str]:
    found, at = [], 0
    body = condition.rstrip()
    while at < len(body):
        match = _TOKEN.match(body, at)
        if match is None:
            raise ImportRefusedError(f"{body[at:].strip()[:40]!r} is not an expression")
        if match["text"]:
            raise ImportRefusedError(
                f"it compares with the text {match['text'][:40]}; a result here is a number"
            )
        found.append(_WORDS.get(match[0].strip(), match[0].strip()))
        at = match.end()
    return found


def _unexpected(token: str) -> ImportRefusedError:
    known = {
        ".": "a field of a result: a result here is a number, or a list of them",
        "?.": "a field of a result: a result here is a number, or a list of them",
        "??": "the operator ??",
        "|": "the pipe |",
        "**": "the power **",
        "^": "the power ^",
        "..": "the range ..",
        "in": "the operator in",
        "contains": "the operator contains",
        "matches": "the operator matches",
        "startsWith": "the operator startsWith",
        "endsWith": "the operator endsWith",
        "let": "let",
        "nil": "nil",
    }
    if token in known:
        return ImportRefusedError(f"it uses {known[token]}, which has no equivalent")
    return ImportRefusedError(f"there is an unexpected {token!r}" if token else "it ends too early")


class _Parser:
    """Precedence climbing over the tokens."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    @property
    def ahead(self) -> str:
        """The next token, empty at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def choice(self) -> Tree:
        """A whole expression."""
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise ImportRefusedError(f"it is nested more than {MAX_NESTING} deep")
        condition = self._binary(0)
        if self.ahead == "?":
            self._take("?")
            yes = self.choice()
            self._take(":")
            condition = Conditional(condition, yes, self.choice())
        self._depth -= 1
        return condition

    def _binary(self, least: int) -> Tree:
        left = self._unary()
        while self.ahead in _PRECEDENCE and _PRECEDENCE[self.ahead] >= least:
            operator = self._next()
            left = Binary(operator, left, self._binary(_PRECEDENCE[operator] + 1))
        return left

    def _unary(self) -> Tree:
        if self.ahead in ("!", "-", "+"):
            self._depth += 1
            if self._depth > MAX_NESTING:
                raise ImportRefusedError(f"it is nested more than {MAX_NESTING} deep")
            operator = self._next()
            operand = self._binary(_NOT if operator == "!" else _SIGN)
            self._depth -= 1
            return Unary(operator, operand)
        return self._postfix(self._primary())

    def _postfix(self, tree: Tree) -> Tree:
        while self.ahead == "[":
            self._take("[")
            index = self.choice()
            if self.ahead == ":":
                raise ImportRefusedError("it uses a slice, which has no equivalent")
            self._take("]")
            tree = Index(tree, index)
        return tree

    def _primary(self) -> Tree:
        token = self._next()
        if token == "(":  # nosec B105  # a piece of an expression
            inner = self.choice()
            self._take(")")
            return inner
        if token in ("true", "false"):
            return Truth(token == "true")  # nosec B105  # a piece of an expression
        if token[:1].isdigit() or (token[:1] == "." and len(token) > 1 and token[1].isdigit()):
            return Number(token)
        if token == "#":  # nosec B105  # a piece of an expression
            return Name("#")
        if not (token[:1].isalpha() or token[:1] == "_") or token in ("in", "nil", "let"):
            raise _unexpected(token)
        return self._call(token) if self.ahead == "(" else Name(token)

    def _call(self, name: str) -> Tree:
        self._take("(")
        arguments: list[Tree] = []
        while self.ahead != ")":
            if arguments:
                self._take(",")
            arguments.append(self._argument())
        self._take(")")
        return FunctionCall(name, tuple(arguments))

    def _argument(self) -> Tree:
        """An argument; a predicate may be in braces."""
        if self.ahead != "{":
            return self.choice()
        self._take("{")
        body = self.choice()
        self._take("}")
        return body

    def _next(self) -> str:
        token = self.ahead
        self._at += 1
        return token

    def _take(self, wanted: str) -> None:
        if self.ahead != wanted:
            raise _unexpected(self.ahead)
        self._at += 1
