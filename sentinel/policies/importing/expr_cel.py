"""Translates conditions of Argo Rollouts into CEL that comes to the same for every result, or refuses them.

What Argo gives to a condition (`metricproviders/*`, `utils/evaluate/evaluate.go` of argoproj/argo-rollouts):
Prometheus' vectors are a list, its scalars one number; Datadog gives one number, or nil where it has no data. In CEL
the list is `result` and the number is `value`.

Two differences of the languages matter. CEL does not mix whole numbers and doubles, so everything that meets a result
becomes a double. And CEL's `&&` and `||` forgive an error in one operand where the other decides, while expr goes
strictly from left to right: `result[0] > 1 && len(result) > 1` is an error for an empty list in expr, and false in
CEL. So each operand's `needs` (a list shorter than that is surely an error) and `may_need` (a list of that length is
surely none) are tracked, and a `?:` is written where `&&` would forgive what Argo does not.
"""

from dataclasses import replace
from enum import StrEnum

from sentinel.policies.importing.draft import ImportRefusedError
from sentinel.policies.importing.expr_syntax import (
    Binary,
    Conditional,
    FunctionCall,
    Index,
    Name,
    Number,
    Tree,
    Truth,
    Unary,
    parse,
)
from sentinel.values import dataclass

ALWAYS = 10**9
"""`may_need` of what can fail for other reasons than a short list."""

_VARIABLES = "xyzuvw"
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
_QUANTIFIERS = {"all": "all", "any": "exists", "one": "exists_one", "none": "exists"}
_ATOM, _UNARY, _TIMES, _PLUS, _COMPARE, _AND, _OR, _CHOICE = range(8, 0, -1)
_LEVELS = {"*": _TIMES, "/": _TIMES, "%": _TIMES, "+": _PLUS, "-": _PLUS, "&&": _AND, "||": _OR}


class ResultKind(StrEnum):
    """What a provider hands to a condition as `result`."""

    LIST = "list"
    NUMBER = "number"
    NUMBER_OR_NIL = "number or nil"


class _Type(StrEnum):
    DOUBLE = "a number"
    WHOLE = "a whole number"
    TRUTH = "true or false"
    LIST = "a list"


@dataclass(frozen=True, slots=True)
class _Cel:
    """A translated part. `literal`: a whole number that can be written as a double."""

    text: str
    type: _Type
    level: int = _ATOM
    needs: int = 0
    may_need: int = 0
    literal: bool = False


def to_cel(condition: str, kind: ResultKind) -> str:
    """The condition in CEL over `value` and `result`. Raises ImportRefusedError that says what has no equivalent."""
    tree = parse(condition)
    cel = _Translator(kind).translate(tree)
    if cel.type is not _Type.TRUTH:
        raise ImportRefusedError(f"it gives {cel.type}, not true or false, which is an error in Argo too")
    return cel.text


class _Translator:
    """Translates bottom up; `_bound` holds the names that `#` has in the predicates around."""

    def __init__(self, kind: ResultKind) -> None:
        self._kind = kind
        self._bound: list[str] = []

    def translate(self, tree: Tree) -> _Cel:
        """One node."""
        match tree:
            case Number():
                return _number(tree)
            case Truth():
                return _Cel("true" if tree.value else "false", _Type.TRUTH)
            case Name():
                return self._name(tree.name)
            case Unary():
                return _unary(tree.operator, self.translate(tree.operand))
            case Binary():
                return _binary(tree.operator, self.translate(tree.left), self.translate(tree.right))
            case Conditional():
                return _choice(*(self.translate(part) for part in (tree.condition, tree.yes, tree.no)))
            case Index():
                return self._index(tree)
            case FunctionCall():
                return self._call(tree)

    def _name(self, name: str) -> _Cel:
        if name == "#" and self._bound:
            return _Cel(self._bound[-1], _Type.DOUBLE)
        if name != "result":
            raise ImportRefusedError(f"{name} is not defined; Argo defines only result")
        if self._kind is ResultKind.LIST:
            return _Cel("result", _Type.LIST)
        least = 1 if self._kind is ResultKind.NUMBER_OR_NIL else 0
        return _Cel("value", _Type.DOUBLE, needs=least, may_need=least)

    def _index(self, tree: Index) -> _Cel:
        of = self.translate(tree.of)
        if of.type is not _Type.LIST:
            raise ImportRefusedError("it indexes a single number, which is an error in Argo too")
        if of.text != "result":
            raise ImportRefusedError("it indexes a list other than result")
        index = tree.index
        if isinstance(index, Unary) and index.operator == "-":
            back = _position(index.operand)
            return _Cel(f"result[size(result) - {back}]", _Type.DOUBLE, needs=back, may_need=back)
        at = _position(index)
        return _Cel(f"result[{at}]", _Type.DOUBLE, needs=at + 1, may_need=at + 1)

    def _call(self, call: FunctionCall) -> _Cel:
        match call.name, len(call.arguments):
            case "len", 1:
                of = _wanted(self.translate(call.arguments[0]), _Type.LIST)
                return replace(of, text=f"size({of.text})", type=_Type.WHOLE, level=_ATOM)
            case (("isNaN" | "isInf"), 1):
                of = _double(self.translate(call.arguments[0]))
                return replace(of, text=f"{call.name}({of.text})", type=_Type.TRUTH, level=_ATOM)
            case "asFloat", 1:
                return _double(self.translate(call.arguments[0]))
            case "asInt", 1:
                return _truncated(self.translate(call.arguments[0]))
            case "default", 2:
                return self._default(*call.arguments)
            case "isNil", 1:
                return self._is_nil()
            case (("all" | "any" | "one" | "none" | "filter" | "count"), 2):
                return self._over(call.name, *call.arguments)
        raise ImportRefusedError(_unknown_call(call))

    def _default(self, of: Tree, otherwise: Tree) -> _Cel:
        """Argo's default() looks at the whole result, whatever its first argument is."""
        if self._kind is ResultKind.LIST:
            raise ImportRefusedError(
                "default() gives the whole list for a vector of Prometheus, even when it is empty, which no number "
                "can be compared with; write len(result) == 0 || result[0] ... instead"
            )
        self.translate(of)
        if self._kind is ResultKind.NUMBER:
            return _Cel("value", _Type.DOUBLE)
        other = _double(self.translate(otherwise))
        return replace(other, text=f"default(result, {other.text})", level=_ATOM, literal=False)

    def _is_nil(self) -> _Cel:
        if self._kind is ResultKind.NUMBER_OR_NIL:
            return _Cel("size(result) == 0", _Type.TRUTH, _COMPARE)
        return _Cel("false", _Type.TRUTH)

    def _over(self, name: str, of: Tree, predicate: Tree) -> _Cel:
        numbers = _wanted(self.translate(of), _Type.LIST)
        variable = _VARIABLES[len(self._bound)] if len(self._bound) < len(_VARIABLES) else ""
        if not variable:
            raise ImportRefusedError("its predicates are nested too deeply")
        self._bound.append(variable)
        holds = _wanted(self.translate(predicate), _Type.TRUTH)
        self._bound.pop()
        if holds.may_need:
            raise ImportRefusedError(f"the predicate of {name}() can itself be an error")
        if name in ("filter", "count"):
            text = f"{numbers.text}.filter({variable}, {holds.text})"
            if name == "count":
                return replace(numbers, text=f"size({text})", type=_Type.WHOLE, level=_ATOM)
            return replace(numbers, text=text)
        text = f"{numbers.text}.{_QUANTIFIERS[name]}({variable}, {holds.text})"
        if name == "none":
            return replace(numbers, text=f"!{text}", type=_Type.TRUTH, level=_UNARY)
        return replace(numbers, text=text, type=_Type.TRUTH)


def _number(number: Number) -> _Cel:
    if number.whole:
        if len(number.text) > 15:
            raise ImportRefusedError(f"{number.text} is out of range")
        return _Cel(str(int(number.text)), _Type.WHOLE, literal=True)
    return _Cel(_double_text(float(number.text)), _Type.DOUBLE)


def _double_text(number: float) -> str:
    text = repr(number)
    if "inf" in text:
        raise ImportRefusedError("it contains a number out of range")
    return text


def _position(index: Tree) -> int:
    if not isinstance(index, Number) or not index.whole or len(index.text) > 6:
        raise ImportRefusedError("it indexes by a computed number")
    return int(index.text)


def _wanted(cel: _Cel, kind: _Type) -> _Cel:
    if cel.type is not kind:
        raise ImportRefusedError(f"{cel.text} is {cel.type}, not {kind}, which is an error in Argo too")
    return cel


def _double(cel: _Cel) -> _Cel:
    if cel.type is _Type.DOUBLE:
        return cel
    if cel.type is not _Type.WHOLE:
        _wanted(cel, _Type.DOUBLE)
    if cel.literal:
        return replace(cel, text=f"{cel.text}.0", type=_Type.DOUBLE, literal=False)
    return replace(cel, text=f"double({cel.text})", type=_Type.DOUBLE, level=_ATOM)


def _truncated(cel: _Cel) -> _Cel:
    """Go's int64() and CEL's int() both cut off towards zero; of a NaN or what is too large CEL makes an error."""
    if cel.type is _Type.WHOLE:
        return cel
    _wanted(cel, _Type.DOUBLE)
    return replace(cel, text=f"int({cel.text})", type=_Type.WHOLE, level=_ATOM, may_need=ALWAYS)


def _in_brackets(cel: _Cel, least: int) -> str:
    return cel.text if cel.level >= least else f"({cel.text})"


def _unary(operator: str, operand: _Cel) -> _Cel:
    if operator == "!":
        _wanted(operand, _Type.TRUTH)
        return replace(operand, text=f"!{_in_brackets(operand, _ATOM)}", level=_UNARY)
    if operand.type not in (_Type.DOUBLE, _Type.WHOLE):
        raise ImportRefusedError(f"{operand.text} is {operand.type}, not a number")
    if operator == "+":
        return operand
    return replace(operand, text=f"-{_in_brackets(operand, _ATOM)}", level=_UNARY)


def _binary(operator: str, left: _Cel, right: _Cel) -> _Cel:
    if operator in ("&&", "||"):
        return _logical(operator, _wanted(left, _Type.TRUTH), _wanted(right, _Type.TRUTH))
    needs, may_need = max(left.needs, right.needs), max(left.may_need, right.may_need)
    if operator in ("==", "!=") and left.type is right.type is _Type.TRUTH:
        text = f"{_in_brackets(left, _PLUS)} {operator} {_in_brackets(right, _PLUS)}"
        return _Cel(text, _Type.TRUTH, _COMPARE, needs, may_need)
    whole = left.type is right.type is _Type.WHOLE
    if operator == "/" or not whole:
        if operator == "%":
            raise ImportRefusedError("it uses % on a number that is not whole, which is an error in Argo too")
        left, right = _double(left), _double(right)
    if operator in _COMPARISONS:
        text = f"{_in_brackets(left, _PLUS)} {operator} {_in_brackets(right, _PLUS)}"
        return _Cel(text, _Type.TRUTH, _COMPARE, needs, may_need)
    level = _LEVELS[operator]
    text = f"{_in_brackets(left, level)} {operator} {_in_brackets(right, level + 1)}"
    if operator == "%":
        may_need = ALWAYS
    return _Cel(text, left.type, level, needs, may_need)


def _logical(operator: str, left: _Cel, right: _Cel) -> _Cel:
    """`&&` and `||`; where the right operand could hide an error of the left one, a choice."""
    needs, may_need = left.needs, max(left.may_need, right.may_need)
    if left.may_need > right.needs:
        condition = _in_brackets(left, _OR)
        branches = (right.text, "false") if operator == "&&" else ("true", right.text)
        yes, no = (
            f"({text})" if right.level == _CHOICE and text == right.text else text for text in branches
        )
        return _Cel(f"{condition} ? {yes} : {no}", _Type.TRUTH, _CHOICE, needs, may_need)
    level = _LEVELS[operator]
    text = f"{_in_brackets(left, level)} {operator} {_in_brackets(right, level + 1)}"
    return _Cel(text, _Type.TRUTH, level, needs, may_need)


def _choice(condition: _Cel, yes: _Cel, no: _Cel) -> _Cel:
    _wanted(condition, _Type.TRUTH)
    if yes.type is not no.type:
        yes, no = _double(yes), _double(no)
    text = f"{_in_brackets(condition, _OR)} ? {_in_brackets(yes, _OR)} : {_in_brackets(no, _OR)}"
    needs = max(condition.needs, min(yes.needs, no.needs))
    return _Cel(text, yes.type, _CHOICE, needs, max(condition.may_need, yes.may_need, no.may_need))


def _unknown_call(call: FunctionCall) -> str:
    if call.name in ("max", "min"):
        return f"there is no {call.name}() in CEL; write all(result, {{# < 0.5}}) or any(result, {{# > 0.5}}) instead"
    return f"{call.name}() of {len(call.arguments)} arguments has no equivalent"
