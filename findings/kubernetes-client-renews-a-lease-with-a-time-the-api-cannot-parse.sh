#!/usr/bin/env bash
# kubernetes 37.0.2 (Python) and k8s.io/apimachinery v0.34.0 (Go): one in a million renewals of a Lease is malformed.
#
# `V1LeaseSpec(renew_time=…)` is serialized by the official Python client, at half a second and at a whole one; the
# texts are then parsed by `metav1.MicroTime`, the Go type of that field in the API server.
#
# Seen:
#   2026-11-01T10:00:00.500000+00:00  parsed
#   2026-11-01T10:00:00+00:00         … cannot parse "+00:00" as ".000000"
#
# Why it surprises: both are RFC 3339, and the description of the API says no more than "date-time". The client leaves
# the fraction out when it is zero, as Python's isoformat() does, and MicroTime alone of the API's times insists on six
# digits. A leader is refused a renewal now and then, with a 400 that no test and no repetition shows again; one who
# truncates its times to seconds is refused always.
set -euo pipefail

folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check kubernetes==37.0.2
cat >go.mod <<'GO'
module finding

go 1.24.0

require k8s.io/apimachinery v0.34.0
GO
cat >main.go <<'GO'
package main

import (
	"encoding/json"
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func main() {
	var parsed metav1.MicroTime
	text, _ := json.Marshal(os.Args[1])
	if err := json.Unmarshal(text, &parsed); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("parsed")
}
GO
go build -mod=mod -o parse . 2>log

renewal() { # microseconds: the time as the client sends it
    venv/bin/python - "$1" <<'PYTHON'
import sys
from datetime import datetime, timezone

from kubernetes.client import ApiClient, V1LeaseSpec

moment = datetime(2026, 11, 1, 10, 0, 0, int(sys.argv[1]), timezone.utc)
print(ApiClient().sanitize_for_serialization(V1LeaseSpec(renew_time=moment))["renewTime"])
PYTHON
}
half=$(renewal 500000)
whole=$(renewal 0)
echo "$half  $(./parse "$half")"
echo "$whole         $(./parse "$whole" || true)"
./parse "$half" >/dev/null && ! ./parse "$whole" >/dev/null
