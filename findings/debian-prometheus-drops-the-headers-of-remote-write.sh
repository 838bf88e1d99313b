#!/usr/bin/env bash
# Prometheus 2.42.0+ds of Debian 12: `headers` of a remote write are accepted, shown in the configuration, and never sent.
#
# Mimir, Cortex and every other multi-tenant receiver find the tenant in the header X-Scope-OrgID, which
# `remote_write: [{url: …, headers: {X-Scope-OrgID: shop}}]` is there to send. The package takes the setting, and
# /api/v1/status/config shows it. What arrives has no such header.
#
# Seen:
#   configured: X-Scope-OrgID: shop
#   received:   Content-Encoding, Content-Length, Content-Type, Host, User-Agent, X-Prometheus-Remote-Write-Version
#
# Why it surprises: Prometheus refuses every key that it does not know, so an accepted key is one that is used. The
# receiver answers 401 "no org id", which reads like a mistake in the header's name; the same file works with 3.16.
# Needs: prometheus (Debian), python3, curl.
set -euo pipefail

folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
receiver=$(port) own=$(port)

python3 - "$receiver" >"$folder/received" <<'PYTHON' &
import http.server
import sys


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        print(", ".join(sorted(self.headers)), flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
PYTHON

cat >"$folder/prometheus.yml" <<YAML
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs: [{job_name: itself, static_configs: [{targets: ["127.0.0.1:$own"]}]}]
remote_write:
  - {url: "http://127.0.0.1:$receiver/push", headers: {X-Scope-OrgID: shop}, queue_config: {batch_send_deadline: 1s}}
YAML
prometheus --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/data" --web.listen-address="127.0.0.1:$own" \
    --log.level=error &
for _ in $(seq 60); do
    [ -s "$folder/received" ] && break
    sleep 1
done
configured=$(curl -s "http://127.0.0.1:$own/api/v1/status/config" | grep -o 'X-Scope-OrgID: shop')
echo "configured: $configured"
echo "received:   $(head -n 1 "$folder/received")"
[ -n "$configured" ] && [ -s "$folder/received" ] && ! grep -qi "x-scope-orgid" "$folder/received"
