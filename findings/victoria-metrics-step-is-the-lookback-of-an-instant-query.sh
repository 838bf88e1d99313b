#!/usr/bin/env bash
# VictoriaMetrics 1.79.5 (Debian bookworm): `step` on an instant query decides whether a series is seen at all.
#
# One sample, 60 s before the time that is asked for. The same instant query with and without `step`.
#
# Seen:
#   without step: 1 series
#   step=10s:     0 series
#   step=90s:     1 series
#
# Why it surprises: an instant query takes no steps, Prometheus ignores the parameter there, and shared clients send it
# with every request. Here it is the window in which a sample is looked for: a small step makes a series that is scraped
# each minute vanish every now and then, and the empty answer is a success.
set -euo pipefail

folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server"; wait "$server" || true; fi; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq -o APT::Sandbox::User=root victoria-metrics=1.79.5+ds1-2+b5
dpkg-deb -x victoria-metrics_*.deb .
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
usr/bin/victoria-metrics -httpListenAddr="127.0.0.1:$port" -storageDataPath=data -retentionPeriod=1 >log 2>&1 &
server=$!

python3 - "http://127.0.0.1:$port" <<'PYTHON'
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

base = sys.argv[1]


def get(path: str, data: bytes | None = None, **parameters: object) -> bytes:
    with urllib.request.urlopen(f"{base}{path}?{urllib.parse.urlencode(parameters)}", data, timeout=10) as answer:
        return answer.read()


for _ in range(100):
    try:
        get("/health")
        break
    except (urllib.error.URLError, ConnectionError):
        time.sleep(0.1)
# Long ago enough for the latency offset of recent queries to play no part.
asked = int(time.time()) - 300
get("/api/v1/import/prometheus", f"up 1 {(asked - 60) * 1000}".encode())
get("/internal/force_flush")

found = []
for title, parameters in (("without step", {}), ("step=10s", {"step": "10s"}), ("step=90s", {"step": "90s"})):
    answer = json.loads(get("/api/v1/query", query="up", time=asked, **parameters))
    found.append((answer["status"], len(answer["data"]["result"])))
    print(f"{title + ':':13} {found[-1][1]} series")
sys.exit(found != [("success", 1), ("success", 0), ("success", 1)])
PYTHON
