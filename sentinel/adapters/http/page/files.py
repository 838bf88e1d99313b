"""The page's own files, served from the package: plain modules that no build step has touched."""

import hashlib
from importlib.resources import files

from aiohttp import web

from sentinel.values import dataclass

_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
"""Nothing but the page's own files, nothing inline, and no text that becomes markup or script."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file with its type and its tag, by which a browser knows whether it has this one already."""

    body: bytes
    content_type: str
    tag: str

    def answer(self, request: web.Request) -> web.Response:
        """The file, or 304 where the browser has it."""
        headers = {"ETag": f'"{self.tag}"', "Cache-Control": "no-cache"}
        if any(tag.value == self.tag for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=self.body, content_type=self.content_type, charset="utf-8", headers=headers)


def page_files() -> dict[str, PageFile]:
    """All files by name."""
    found = {}
    for one in files("sentinel.adapters.http.page").joinpath("static").iterdir():
        suffix = one.name[one.name.rfind(".") :]
        if suffix in _TYPES:
            body = one.read_bytes()
            found[one.name] = PageFile(body, _TYPES[suffix], hashlib.sha256(body).hexdigest()[:20])
    return found
