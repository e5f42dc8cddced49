"""Refuse requests that do not come from the studio's own page: other hosts, other origins, without the token."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

COOKIE = "ganzoo-studio"
LOCAL = ("127.0.0.1", "localhost", "[::1]")
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; frame-src 'self'; frame-ancestors 'self'; form-action 'self'; base-uri 'self'"
)
"""What the page may load: nothing from elsewhere. Gradio's own page needs inline scripts."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """An ASGI application around another one; it refuses what is not the studio's, in one line of text.

    A page from elsewhere could send requests to a server on this machine, also under a name that its owner resolves to
    127.0.0.1. So the host that a request names, and the origin that the browser names, must be those of the studio.

    Args:
        app: the application.
        hosts: the host names under which the studio is reached, without port; empty: any, with a token.
        token: the secret that a browser must show once, as ``?token=…``, before it gets a cookie; empty: none is
            needed.
        largest: the most bytes of a request.
    """

    def __init__(self, app: Any, *, hosts: Collection[str] = LOCAL, token: str = "", largest: int) -> None:
        self.app, self.hosts, self.token, self.largest = app, hosts, token, largest

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        status, problem = self.refusal(headers)
        if problem:
            await _answer(send, scope, status, problem)
            return
        cookies: dict[str, str] = {}
        if self.token:
            given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
            if secrets.compare_digest(given.encode(), self.token.encode()):
                if scope["type"] == "http" and scope["method"] == "GET":
                    cookies = {"set-cookie": f"{COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"}
            elif not self._has_cookie(headers):
                await _answer(send, scope, 401, "open the address with ?token=… that ganzoo studio printed")
                return

        async def send_with_headers(event: Any) -> None:
            if event["type"] == "http.response.start":
                added = {**HEADERS, **cookies}
                kept = [(name, value) for name, value in event["headers"] if name.decode().lower() not in HEADERS]
                event = {**event, "headers": [*kept, *((k.encode(), v.encode()) for k, v in added.items())]}
            await send(event)

        await self.app(scope, receive, send_with_headers)

    def refusal(self, headers: dict[str, str]) -> tuple[int, str]:
        """Return status and reason of a refusal, by a request's headers; the reason is empty if it is let in."""
        host = headers.get("host", "")
        if self.hosts and _name(host) not in self.hosts:
            return 403, "this host name is not that of the studio"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return 403, "requests from other pages are refused"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return 403, "requests from other pages are refused"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.largest:
            return 413, f"an upload has at most {self.largest >> 20} MiB; --max-upload changes it"
        return 200, ""

    def _has_cookie(self, headers: dict[str, str]) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and secrets.compare_digest(cookie.value.encode(), self.token.encode())


def _name(host: str) -> str:
    """Return a host without its port: ``127.0.0.1:7860`` → ``127.0.0.1``."""
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0].lower()


async def _answer(send: Any, scope: Any, status: int, text: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": text})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{text}\n".encode()})
