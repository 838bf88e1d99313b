"""Small mistakes put into a module's source, one at a time: some test should tell each from the original."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
}
CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}

Edit = Callable[[ast.AST], None]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake: where it stands, what the line says before and after, and the whole source with it."""

    line: int
    before: str
    after: str
    source: str


def mutants_of(source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its text."""
    tree = ast.parse(source)
    found = [
        mutant
        for index, node in enumerate(_places(tree))
        for edit in _edits(node)
        if (mutant := _made(tree, index, edit)) is not None
    ]
    return sorted(found, key=lambda mutant: (mutant.line, mutant.before, mutant.after))


def _places(tree: ast.Module) -> list[ast.AST]:
    """The nodes that have a line, without those of decorators: whether a dataclass has slots is no behaviour."""
    told = {
        id(each)
        for node in ast.walk(tree)
        for decorator in getattr(node, "decorator_list", ())
        for each in ast.walk(decorator)
    }
    return [node for node in ast.walk(tree) if hasattr(node, "lineno") and id(node) not in told]


def _made(tree: ast.Module, index: int, edit: Edit) -> Mutant | None:
    """The mutant of one edit; None where it changes nothing that is shown."""
    changed = copy.deepcopy(tree)
    node = _places(changed)[index]
    before = _first_line(node)
    edit(node)
    after = _first_line(node)
    line: int = vars(node)["lineno"]
    return Mutant(line, before, after, ast.unparse(changed)) if before != after else None


def _first_line(node: ast.AST) -> str:
    return ast.unparse(node).partition("\n")[0]


def _edits(node: ast.AST) -> Iterator[Edit]:
    """The mistakes that can be made at one node, each an edit in place."""
    match node:
        case ast.Compare():
            yield from (_compared(at) for at, op in enumerate(node.ops) if type(op) in COMPARED)
        case ast.BoolOp():
            yield _swapped
            yield from (_operand_dropped(at) for at in range(len(node.values)))
        case ast.BinOp() | ast.AugAssign() if type(node.op) in COMPUTED:
            yield _computed
        case ast.Constant() if isinstance(node.value, bool | int | float):
            yield _constant
        case ast.Call():
            if isinstance(node.func, ast.Name) and node.func.id in CALLED:
                yield _called
            if isinstance(node.func, ast.Name) and node.func.id == "replace":
                yield from (_keyword_dropped(at) for at in range(len(node.keywords)))
        case ast.If() | ast.IfExp():
            yield _decided(True)
            yield _decided(False)
        case ast.UnaryOp() if isinstance(node.op, ast.Not):
            yield _not_dropped
        case _:
            yield from _filter_edits(node)


def _filter_edits(node: ast.AST) -> Iterator[Edit]:
    """Comprehensions that take in what their filter leaves out."""
    if isinstance(node, ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp):
        for at, generator in enumerate(node.generators):
            yield from (_filter_dropped(at, of) for of in range(len(generator.ifs)))


def _compared(at: int) -> Edit:
    def edit(node: ast.AST) -> None:
        assert isinstance(node, ast.Compare)
        node.ops[at] = COMPARED[type(node.ops[at])]()

    return edit


def _swapped(node: ast.AST) -> None:
    assert isinstance(node, ast.BoolOp)
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()


def _operand_dropped(at: int) -> Edit:
    def edit(node: ast.AST) -> None:
        assert isinstance(node, ast.BoolOp)
        del node.values[at]

    return edit


def _computed(node: ast.AST) -> None:
    assert isinstance(node, ast.BinOp | ast.AugAssign)
    node.op = COMPUTED[type(node.op)]()


def _constant(node: ast.AST) -> None:
    assert isinstance(node, ast.Constant)
    value = node.value
    node.value = not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else value * 2


def _called(node: ast.AST) -> None:
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    node.func.id = CALLED[node.func.id]


def _keyword_dropped(at: int) -> Edit:
    def edit(node: ast.AST) -> None:
        assert isinstance(node, ast.Call)
        del node.keywords[at]

    return edit


def _decided(value: bool) -> Edit:
    def edit(node: ast.AST) -> None:
        assert isinstance(node, ast.If | ast.IfExp)
        node.test = ast.Constant(value)

    return edit


def _not_dropped(node: ast.AST) -> None:
    """`not x` turns into `not not x`, which is as true as x wherever it is asked."""
    assert isinstance(node, ast.UnaryOp)
    node.operand = ast.UnaryOp(ast.Not(), node.operand)


def _filter_dropped(at: int, of: int) -> Edit:
    def edit(node: ast.AST) -> None:
        assert isinstance(node, ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp)
        del node.generators[at].ifs[of]

    return edit
