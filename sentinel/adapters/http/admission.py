"""Answers the API server's questions about policies before it stores them (AdmissionReview, `admission.k8s.io/v1`)."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

MAX_MESSAGE = 4000
MAX_WARNINGS = 10
MAX_WARNING = 250
"""The API server cuts warnings off beyond 4,096 bytes together."""

Judge = Callable[[Mapping[str, Any]], tuple[Sequence[str], Sequence[str]]]
"""Of an object: what is wrong with it, and what works but may surprise."""


class PolicyAdmission:
    """`judge` may take some milliseconds: it runs in a thread."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one question; 400 for anything else."""
        try:
            review = json.loads(await request.read())
            asked = review["request"]
            uid, made = str(asked["uid"]), asked["object"]
            if not isinstance(made, dict):
                raise TypeError
        except (ValueError, TypeError, KeyError):
            raise web.HTTPBadRequest(text="not an AdmissionReview of an object") from None
        mistakes, warnings = await asyncio.to_thread(self._judge, made)
        return web.json_response(_answer(uid, mistakes, warnings))


def _answer(uid: str, mistakes: Sequence[str], warnings: Sequence[str]) -> dict[str, Any]:
    response: dict[str, Any] = {"uid": uid, "allowed": not mistakes}
    if mistakes:
        message = "; ".join(mistakes)[:MAX_MESSAGE]
        response["status"] = {"code": 422, "reason": "Invalid", "message": message}
    if warnings:
        response["warnings"] = [warning[:MAX_WARNING] for warning in warnings[:MAX_WARNINGS]]
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
