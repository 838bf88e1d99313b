#!/usr/bin/env bash
# slack_sdk 3.48.0: `chat_postMessage` whose answer is lost posts the message a second time, by default.
#
# A stand-in for Slack on the loopback reads the whole request, closes the connection without an answer (as a proxy
# that restarts does), and answers the next one. The client is made with its defaults.
#
# Seen:
#   the caller got ok=True
#   posts received: 2 of the same text
#
# Why it surprises: retries have to be asked for (`retry_handlers`), says the guide of rate limits; but one handler, for
# connection errors, is on by default, and it does not tell a read from a post that may have been carried out. Turn it
# off with `retry_handlers=[]`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check slack_sdk==3.48.0 aiohttp==3.14.5

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import json
import re
import sys

from slack_sdk.web.async_client import AsyncWebClient

posts = []
ANSWER = b'{"ok": true, "channel": "C1", "ts": "1.1"}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
    posts.append(json.loads(await reader.readexactly(length))["text"])
    if len(posts) > 1:
        writer.write(HEAD % len(ANSWER) + ANSWER)
        await writer.drain()
    writer.close()


async def main() -> bool:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = AsyncWebClient("xoxb-1", base_url=f"http://127.0.0.1:{port}/api/")
    answer = await client.chat_postMessage(channel="C1", text="web was undone")
    server.close()
    print(f"the caller got ok={answer['ok']}\nposts received: {len(posts)} of the same text")
    return posts == ["web was undone"] * 2


sys.exit(not asyncio.run(main()))
PYTHON
