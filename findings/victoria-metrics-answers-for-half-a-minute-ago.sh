#!/usr/bin/env bash
# VictoriaMetrics 1.79.5 (Debian bookworm): an instant query for now is answered as of 30 s ago and says "now".
#
# A series that counts up every second is imported, up to the present. `/api/v1/query` is asked for its value now, and
# again with `nocache=1`.
#
# Seen (a sample's value is its age in seconds, so 0 is the newest):
#   asked for now:          value is 30 s old, stamped +0 s from now
#   asked with nocache=1:   value is 0 s old
#   timestamp(series), now: 30 s before the time in the answer
#
# Why it surprises: `-search.latencyOffset` is known from graphs, whose last half minute is left out. Of an instant query
# nothing is left out: the time in the answer is the one that was asked for, beside a value of another time. A check of
# the last 15 s made from it is of 15 s before the release. A parameter named for the cache turns it off.
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


def instant(query: str, at: float, **parameters: object) -> tuple[float, float]:
    found = json.loads(get("/api/v1/query", query=query, time=at, **parameters))["data"]["result"]
    (series,) = found
    return float(series["value"][0]), float(series["value"][1])


for _ in range(100):
    try:
        get("/health")
        break
    except (urllib.error.URLError, ConnectionError):
        time.sleep(0.1)
now = int(time.time())
lines = [f"age {age} {(now - age) * 1000}" for age in range(120)]
get("/api/v1/import/prometheus", "\n".join(lines).encode())
get("/internal/force_flush")

stamp, plain = instant("age", now)
_, fresh = instant("age", now, nocache=1)
asked, sampled = instant("timestamp(age)", now)
print(f"asked for now:          value is {plain:.0f} s old, stamped {stamp - now:+.0f} s from now")
print(f"asked with nocache=1:   value is {fresh:.0f} s old")
print(f"timestamp(series), now: {asked - sampled:.0f} s before the time in the answer")
sys.exit(not (plain >= 29 and stamp == now and fresh <= 1 and asked - sampled >= 29))
PYTHON
