#!/usr/bin/env bash
# PyYAML 6.0.4: the plain scalar `=` cannot be loaded, while `==` and `=~` can.
#
# `safe_load` of a list of matchers' operators, as they stand in the enumerations of custom resource definitions that
# describe them (`matchType: =`).
#
# Seen:
#   op: =~  -> {'op': '=~'}
#   op: ==  -> {'op': '=='}
#   op: =   -> ConstructorError: could not determine a constructor for the tag 'tag:yaml.org,2002:value'
#
# Why it surprises: `=` is a string wherever Kubernetes reads it. YAML 1.1 once gave it a type
# of its own; PyYAML resolves that type and has no constructor for it, so a manifest that the cluster takes fails as a
# whole, with an error that names no key and a tag that stands nowhere in the file.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check PyYAML==6.0.4

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import yaml

raised = {}
for text in ("op: =~", "op: ==", "op: ="):
    try:
        found = repr(yaml.safe_load(text))
    except yaml.constructor.ConstructorError as error:
        found = raised[text] = f"ConstructorError: {error.problem}"
    print(f"{text:7} -> {found}")
sys.exit(not (list(raised) == ["op: ="] and "2002:value" in raised["op: ="]))
PYTHON
