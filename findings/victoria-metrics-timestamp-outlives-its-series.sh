#!/usr/bin/env bash
# VictoriaMetrics 1.79.5 (Debian bookworm): `timestamp(m)` goes on for minutes after `m` has gone stale.
#
# VictoriaMetrics scrapes a target each second; then the target is gone, and the failed scrape marks its series as
# stale. All queries with `nocache=1`, so that the latency offset plays no part.
#
# Seen, six seconds after the target is gone:
#   m:                   0 series
#   timestamp(m):        1 series
#   timestamp(m) and m:  0 series
#   timestamp(m), four minutes on: 1 series
#
# Why it surprises: `timestamp(m)` is how one asks which series are alive and how old their newest samples are; in
# Prometheus it is empty where `m` is. Here pods deleted minutes ago are still counted, with a time that looks recent.
set -euo pipefail

folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server"; wait "$server" || true; fi; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq -o APT::Sandbox::User=root victoria-metrics=1.79.5+ds1-2+b5
dpkg-deb -x victoria-metrics_*.deb .
read -r port target < <(python3 - <<'PYTHON'
import socket

both = [socket.socket() for _ in range(2)]
for one in both:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in both))
PYTHON
)
cat >scrape.yml <<YAML
scrape_configs:
  - job_name: web
    scrape_interval: 1s
    static_configs: [{targets: ["127.0.0.1:$target"]}]
YAML
usr/bin/victoria-metrics -httpListenAddr="127.0.0.1:$port" -storageDataPath=data -retentionPeriod=1 \
    -promscrape.config=scrape.yml >log 2>&1 &
server=$!

python3 - "http://127.0.0.1:$port" "$target" <<'PYTHON'
import json
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

base = sys.argv[1]


class Target(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"m 1\n")

    def log_message(self, *_: object) -> None:
        pass


def series(query: str, ahead: float = 0) -> int:
    parameters = urllib.parse.urlencode({"query": query, "nocache": 1, "time": time.time() + ahead})
    try:
        with urllib.request.urlopen(f"{base}/api/v1/query?{parameters}", timeout=10) as answer:
            return len(json.load(answer)["data"]["result"])
    except (urllib.error.URLError, ConnectionError):
        return 0


def until(holds: bool, query: str) -> None:
    for _ in range(300):
        if bool(series(query)) is holds:
            return
        time.sleep(0.1)
    raise SystemExit(f"{query} did not come or go")


target = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Target)
threading.Thread(target=target.serve_forever, daemon=True).start()
until(True, "m")
target.shutdown()
target.server_close()
until(False, "m")
time.sleep(5)

found = []
for query, ahead in (("m", 0), ("timestamp(m)", 0), ("timestamp(m) and m", 0), ("timestamp(m)", 240)):
    found.append(series(query, ahead))
    print(f"{query + (', four minutes on' if ahead else '') + ':':31} {found[-1]} series")
sys.exit(found != [0, 1, 0, 1])
PYTHON
