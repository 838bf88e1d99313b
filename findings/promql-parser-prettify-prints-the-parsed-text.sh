#!/usr/bin/env bash
# promql-parser 0.12.0: a selector whose matchers are replaced is still pretty-printed as it was parsed.
#
# Assigning `matchers` to a VectorSelector is accepted, and reading them back gives the new ones, also through the
# expression around it. `str(expression)` prints the new matchers; `expression.prettify()` prints the old ones, and
# neither raises nor warns.
#
# Seen:
#   read back: ['job="api"', 'namespace="shop"']
#   str:       sum(up{job="api",namespace="shop"})
#   prettify:  sum(up{job="api"})
#
# Why it surprises: the two printers differ elsewhere in line breaks alone. A program that adds a namespace to every
# query and prints it the pretty way asks for all namespaces, and its answer looks like any other.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check promql-parser==0.12.0

"$folder/venv/bin/python" - <<'PYTHON'
import sys

from promql_parser import Matcher, Matchers, MatchOp, parse

query = parse('sum(up{job="api"})')
selector = query.expr
selector.matchers = Matchers([*selector.matchers.matchers, Matcher(MatchOp.Equal, "namespace", "shop")])

read = [f'{matcher.name}="{matcher.value}"' for matcher in query.expr.matchers.matchers]
plain, pretty = str(query), query.prettify()
print(f"read back: {read}\nstr:       {plain}\nprettify:  {pretty}")

sys.exit(not ("namespace" in plain and 'namespace="shop"' in read and pretty == 'sum(up{job="api"})'))
PYTHON
