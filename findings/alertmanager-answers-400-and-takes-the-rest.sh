#!/usr/bin/env bash
# Alertmanager 0.25.0 (Debian bookworm): a post of alerts that is answered 400 has taken effect all the same.
#
# One post to /api/v2/alerts with three alerts, the second of which has a label name that is not allowed. The body is
# valid by the API's description: a label name is any string there.
#
# Seen:
#   the post:   400, naming the one label
#   alerts now: first, third
#
# Why it surprises: a 400 reads as "nothing was done", and the answer names one mistake and no alert that was taken. A
# sender that drops what was refused believes that its pages were lost; one that mends the alert and posts the batch
# again sends what is already firing.
set -euo pipefail

folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server"; wait "$server" || true; fi; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq -o APT::Sandbox::User=root prometheus-alertmanager=0.25.0-1+b4
dpkg-deb -x prometheus-alertmanager_*.deb .
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
echo '{"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}' >config.yml
usr/bin/prometheus-alertmanager --config.file=config.yml --storage.path=data --cluster.listen-address= \
    --web.listen-address="127.0.0.1:$port" >log 2>&1 &
server=$!

python3 - "http://127.0.0.1:$port" <<'PYTHON'
import json
import sys
import time
import urllib.error
import urllib.request

base = sys.argv[1]


def call(path: str, body: object = None) -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


for _ in range(100):
    try:
        call("/-/ready")
        break
    except (urllib.error.URLError, ConnectionError):
        time.sleep(0.1)
named = [{"alertname": "first"}, {"alertname": "second", "pod-name": "web-1"}, {"alertname": "third"}]
status, said = call("/api/v2/alerts", [{"labels": labels} for labels in named])
taken = sorted(alert["labels"]["alertname"] for alert in json.loads(call("/api/v2/alerts")[1]))
print(f"the post:   {status}, {said.strip()}\nalerts now: {', '.join(taken)}")
sys.exit(not (status == 400 and taken == ["first", "third"]))
PYTHON
