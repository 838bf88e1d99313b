#!/usr/bin/env bash
# promql-parser 0.12.0: a backslash between backticks is taken for an escape, and a valid query is refused.
#
# Backticks are PromQL's raw strings, made for regular expressions. The same query is given to the parser and to promtool
# 2.42 (Debian bookworm).
#
# Seen:
#   promtool:      SUCCESS
#   promql-parser: ValueError: unknown escape sequence 'd'
#   promql-parser, the same in double quotes with the backslashes doubled: parsed
#
# Why it surprises: "nothing is escaped here" is all that backticks are for; the parser is tested against Prometheus'
# own, and takes them otherwise. Queries copied from dashboards, where they work, are called invalid.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check promql-parser==0.12.0
apt-get download -qq -o APT::Sandbox::User=root prometheus=2.42.0+ds-5+deb12u1
dpkg-deb -x prometheus_*.deb .

cat >rules.yml <<'YAML'
groups: [{name: web, rules: [{record: errors, expr: 'http_requests_total{code=~`5\d\d`}'}]}]
YAML
echo "promtool: $(usr/bin/promtool check rules rules.yml | grep SUCCESS | xargs)"

venv/bin/python - <<'PYTHON'
import sys

from promql_parser import parse

refused = ""
try:
    parse(r"http_requests_total{code=~`5\d\d`}")
except ValueError as error:
    refused = str(error)
print(f"promql-parser: {refused or 'parsed'}")
parse(r'http_requests_total{code=~"5\\d\\d"}')
print("promql-parser, in double quotes with the backslashes doubled: parsed")
sys.exit("escape" not in refused)
PYTHON
