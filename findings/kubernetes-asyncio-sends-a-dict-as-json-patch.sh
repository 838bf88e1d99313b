#!/usr/bin/env bash
# kubernetes_asyncio 36.1.0: a custom object patched with a dict is sent as a JSON patch, which must be a list.
#
# The same call, `patch_namespaced_custom_object(…, body={"spec": {"paused": True}})`, with the asyncio client and with
# the synchronous one, against a stand-in on the loopback that notes the content type. The asyncio client's own
# `patch_namespaced_deployment` is beside it.
#
# Seen:
#   kubernetes_asyncio, custom object: application/json-patch+json
#   kubernetes_asyncio, Deployment:    application/strategic-merge-patch+json
#   kubernetes 37.0.2,  custom object: application/merge-patch+json
#
# Why it surprises: both clients are made from the same description, and of a Deployment the asyncio client chooses by
# the body. A server answers the patch of the custom object with 400; `_content_type="application/merge-patch+json"`
# makes it right.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check kubernetes_asyncio==36.1.0 kubernetes==37.0.2

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import kubernetes
import kubernetes_asyncio

seen = []
OBJECT = ("argoproj.io", "v1alpha1", "shop", "rollouts", "web", {"spec": {"paused": True}})


class Server(BaseHTTPRequestHandler):
    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        seen.append(self.headers["Content-Type"])
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


async def ask(url: str) -> None:
    configuration = kubernetes_asyncio.client.Configuration(host=url)
    async with kubernetes_asyncio.client.ApiClient(configuration) as client:
        await kubernetes_asyncio.client.CustomObjectsApi(client).patch_namespaced_custom_object(*OBJECT)
        deployments = kubernetes_asyncio.client.AppsV1Api(client)
        await deployments.patch_namespaced_deployment("web", "shop", OBJECT[-1], _preload_content=False)


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
asyncio.run(ask(url))
configuration = kubernetes.client.Configuration()
configuration.host = url
with kubernetes.client.ApiClient(configuration) as client:
    kubernetes.client.CustomObjectsApi(client).patch_namespaced_custom_object(*OBJECT)
names = ("kubernetes_asyncio, custom object", "kubernetes_asyncio, Deployment", "kubernetes 37.0.2,  custom object")
for name, content_type in zip(names, seen, strict=True):
    print(f"{name + ':':34} {content_type}")
wanted = ["json-patch", "strategic-merge-patch", "merge-patch"]
sys.exit(seen != [f"application/{each}+json" for each in wanted])
PYTHON
