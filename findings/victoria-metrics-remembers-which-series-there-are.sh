#!/usr/bin/env bash
# VictoriaMetrics 1.79.5 (Debian bookworm): a series that is new is not found for seconds by a selector that was asked
# before, though another selector finds it; `nocache=1` changes nothing.
#
# A series of one pod counts every second, and a selector is asked for five times a second, as by a dashboard or a gate
# of a release. Then a second pod has the first sample of its own series, and so on each second.
#
# Seen:
#   found by a selector that nobody asked for before: after 2.0 s
#   found by the selector that is asked for:          after 6.9 s
#
# Why it surprises: that samples show up late is known, and that answers are cached unless `nocache=1` says not to. Which
# series a selector finds is remembered all the same, up to 10 s. The pod of a new release, whose errors are looked for,
# is missing in an answer that has fresh samples of all old pods, without a word. Where the old ones are well, so is the
# release. A matcher that fits every series and is another one in each question (`at!="1234"`) finds it at once.
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


def pods(selector: str) -> set[str]:
    found = json.loads(get("/api/v1/query", query=selector, nocache=1, time=time.time()))["data"]["result"]
    return {series["metric"]["pod"] for series in found}


for _ in range(100):
    try:
        get("/health")
        break
    except (urllib.error.URLError, ConnectionError):
        time.sleep(0.1)


def delays(born: float) -> tuple[float, float]:
    """After how many seconds a pod that was born then was found: by selectors that are new, and by one that is not."""
    new = old = 0.0
    sampled = 0.0
    while not (new and old):
        now = time.time()
        if now - sampled >= 1:
            living = ["old", *(["new"] if now >= born else [])]
            get("/api/v1/import/prometheus", "\n".join(f'm{{pod="{pod}"}} {now:.0f}' for pod in living).encode())
            sampled = now
        if not old and "new" in pods("m"):
            old = time.time() - born
        if not new and "new" in pods(f'm{{at!="{now}"}}'):
            new = time.time() - born
        time.sleep(0.2)
    return new, old


new, old = delays(time.time() + 13)
print(f"found by a selector that nobody asked for before: after {new:.1f} s")
print(f"found by the selector that is asked for:          after {old:.1f} s")
assert old > new + 2, "a selector that was asked for finds new series as soon as any other"
PYTHON
