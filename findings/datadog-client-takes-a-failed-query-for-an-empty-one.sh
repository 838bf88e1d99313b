#!/usr/bin/env bash
# datadog-api-client 2.62.0: `query_metrics` does not raise for a query that failed; it returns a result without series.
#
# The v1 query endpoint says of a query it could not carry out 200, `"status": "error"`, a text in `error` and an empty
# `series`. A stand-in on the loopback gives that answer.
#
# Seen:
#   no exception; status='error', series=[], as a condition: True
#
# Why it surprises: the client raises ApiException for what fails, so what comes back reads as an answer: no series, no
# errors, all is well. Whoever does not look at `status` takes a broken query for a quiet service.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datadog-api-client==2.62.0

"$folder/venv/bin/python" - <<'PYTHON'
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v1.api.metrics_api import MetricsApi

FAILED = {"status": "error", "error": "the query could not be carried out", "series": [], "res_type": "time_series"}


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(FAILED).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
configuration = Configuration(host=f"http://127.0.0.1:{server.server_port}")
configuration.api_key.update(apiKeyAuth="a", appKeyAuth="b")
with ApiClient(configuration) as client:
    result = MetricsApi(client).query_metrics(_from=1, to=2, query="sum:web.errors{*}.as_count()")
print(f"no exception; status={result.status!r}, series={list(result.series)}, as a condition: {bool(result)}")
sys.exit(not (result.status == "error" and not result.series))
PYTHON
