#!/usr/bin/env bash
# Alertmanager 0.25.0 (Debian bookworm): a notification that a webhook answers with 400 is sent anew at each
# group_interval, whatever repeat_interval says.
#
# A webhook on the loopback refuses everything with 400. group_interval is 2 s, repeat_interval 4 h; one alert fires.
#
# Seen, in nine seconds:
#   posts of the alert: 5; seconds between them: 2, 2, 2, 2
#
# Why it surprises: the log says `unrecoverable error` and there is no retry at once, as for a 503, so 400 looks like the
# way to turn a notification down for good. But only what succeeded is remembered as sent: the group's next flush finds
# it unsent. A receiver that cannot read an alert gets it for as long as it fires, at five-minute intervals by default.
set -euo pipefail

folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server"; wait "$server" || true; fi; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq -o APT::Sandbox::User=root prometheus-alertmanager=0.25.0-1+b4
dpkg-deb -x prometheus-alertmanager_*.deb .
read -r port webhook < <(python3 - <<'PYTHON'
import socket

both = [socket.socket() for _ in range(2)]
for one in both:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in both))
PYTHON
)
cat >config.yml <<YAML
route: {receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 2s, repeat_interval: 4h}
receivers: [{name: hook, webhook_configs: [{url: "http://127.0.0.1:$webhook/"}]}]
YAML
usr/bin/prometheus-alertmanager --config.file=config.yml --storage.path=data --cluster.listen-address= \
    --web.listen-address="127.0.0.1:$port" >log 2>&1 &
server=$!

python3 - "http://127.0.0.1:$port" "$webhook" <<'PYTHON'
import json
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

base, posts = sys.argv[1], []


class Webhook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        alerts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"]
        posts.append((time.monotonic(), [alert["labels"]["alertname"] for alert in alerts]))
        self.send_error(400)

    def log_message(self, *_: object) -> None:
        pass


hook = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Webhook)
threading.Thread(target=hook.serve_forever, daemon=True).start()
for _ in range(100):
    try:
        urllib.request.urlopen(base + "/-/ready", timeout=10).close()
        break
    except (urllib.error.URLError, ConnectionError):
        time.sleep(0.1)
alert = json.dumps([{"labels": {"alertname": "web"}}]).encode()
request = urllib.request.Request(base + "/api/v2/alerts", alert, {"Content-Type": "application/json"})
urllib.request.urlopen(request, timeout=10).close()
time.sleep(9)
apart = [f"{after - before:.0f}" for (before, _), (after, _) in zip(posts, posts[1:], strict=False)]
print(f"posts of the alert: {len(posts)}; seconds between them: {', '.join(apart)}")
sys.exit(not (len(posts) >= 3 and all(names == ["web"] for _, names in posts)))
PYTHON
