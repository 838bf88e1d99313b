#!/usr/bin/env bash
# botocore 1.44.8: a request with a space in its query gets one of two signatures, by how it was made, for the same bytes.
#
# Amazon Managed Prometheus wants SigV4, and PromQL has spaces and colons. A request made with `params=` is signed over
# `%20` and `%3A`, but the address that it is sent to has `+` for the space. When that very address is given as `url`, as
# whoever signs for requests or aiohttp has to do, it is signed as it stands: over `+`. A colon that is not encoded stays
# so too. AWS describes one form for both (each space `%20`, each colon `%3A`), so only one of the signatures is accepted.
#
# Seen:
#   sent to        /api/v1/query?query=sum%28job%3Aerrors%29+%2B+1
#   made of params signed over query=sum%28job%3Aerrors%29%20%2B%201
#   made of url    signed over query=sum%28job%3Aerrors%29+%2B+1
#   the signatures are equal: False
#
# Why it surprises: a signer exists to bring a request into the one canonical form. This one does so for params and not
# for a URL, so a client works until its first query with a space in it, and is then told that its credentials are wrong.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check botocore==1.44.8

"$folder/venv/bin/python" - <<'PYTHON'
import sys
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ADDRESS = "https://aps.example.com/api/v1/query"
signer = SigV4Auth(Credentials("an-id", "a-secret"), "aps", "eu-west-1")


def signed(request: AWSRequest) -> str:
    request.context["timestamp"] = "20260301T120000Z"
    request.headers["X-Amz-Date"] = "20260301T120000Z"
    canonical = signer.canonical_request(request)
    return signer.signature(signer.string_to_sign(request, canonical), request)


def query_of(request: AWSRequest) -> str:
    return signer.canonical_query_string(request)


by_params = AWSRequest("GET", ADDRESS, params={"query": "sum(job:errors) + 1"})
sent = by_params.prepare().url
by_url = AWSRequest("GET", sent)
parts = urlsplit(sent)
print(f"sent to        {parts.path}?{parts.query}")
print(f"made of params signed over {query_of(by_params)}")
print(f"made of url    signed over {query_of(by_url)}")
equal = signed(by_params) == signed(by_url)
print(f"the signatures are equal: {equal}")
as_seen = "%20" in query_of(by_params) and "+" in query_of(by_url) and by_url.prepare().url == sent and not equal
sys.exit(not as_seen)
PYTHON
