#!/usr/bin/env bash
# prometheus-api-client 0.7.2: `PrometheusConnect(timeout=1)` takes ten seconds to time out, and asks four times.
#
# A stand-in on the loopback answers every query after three seconds. The client is made with `timeout=1` and its other
# defaults.
#
# Seen:
#   ConnectionError after 10 s; queries received: 4
#
# Why it surprises: the timeout is of one attempt, and three more with a growing pause follow by default. A check that
# must end within its tick overruns it tenfold, and a server slow under load gets each heavy query four times (it goes
# on with those that were given up). Pass `retry=urllib3.Retry(0)` for the timeout that was asked for.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check prometheus-api-client==0.7.2

"$folder/venv/bin/python" - <<'PYTHON'
import contextlib
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_api_client import PrometheusConnect

received = []


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        received.append(self.path)
        time.sleep(3)
        with contextlib.suppress(OSError):
            self.send_error(503)

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
source = PrometheusConnect(url=f"http://127.0.0.1:{server.server_port}", timeout=1)
began, raised = time.monotonic(), ""
try:
    source.custom_query("up")
except Exception as error:
    raised = type(error).__name__
took = time.monotonic() - began
print(f"{raised} after {took:.0f} s; queries received: {len(received)}")
sys.exit(not (raised and took > 8 and len(received) == 4))
PYTHON
