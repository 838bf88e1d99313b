#!/usr/bin/env bash
# cel-expr-python 0.1.3: an evaluation that fails returns its error message as the value, and that is true.
#
# An index past the end of a list, a variable that was not given and a division by zero are evaluation errors of CEL.
# `eval()` raises for none of them: it returns a Value whose `value()` is a non-empty str. (Compile errors do raise.)
#
# Seen:
#   rates[3] > 0.5   -> 'UNKNOWN: Index error: index=3 size=1'  as a condition: True
#   rate > 0.5       -> 'UNKNOWN: No value with name "rate" found in Activation'  as a condition: True
#   1 / 0 == 1       -> 'INVALID_ARGUMENT: divide by zero'  as a condition: True
#
# Why it surprises: each expression was type-checked as a bool, so `if result.value():` looks safe, and takes every
# failure for "yes". Only `result.type()` tells an error from an answer.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check cel-expr-python==0.1.3

"$folder/venv/bin/python" - <<'PYTHON'
import sys

from cel_expr_python import cel

declared = {"rate": cel.Type.DOUBLE, "rates": cel.Type.List(cel.Type.DOUBLE)}
environment = cel.NewEnv(variables=declared)
as_described = True
for expression, data in (("rates[3] > 0.5", {"rates": [1.0]}), ("rate > 0.5", {}), ("1 / 0 == 1", {})):
    value = environment.compile(expression).eval(data=data).value()
    print(f"{expression:16} -> {value!r}  as a condition: {bool(value)}")
    as_described &= isinstance(value, str) and bool(value)
sys.exit(not as_described)
PYTHON
