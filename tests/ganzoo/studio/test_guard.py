"""Only the studio's own page can talk to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ganzoo.errors import GanzooError
from ganzoo.studio.guard import COOKIE, LOCAL, POLICY, Guard
from ganzoo.studio.server import run_studio

LARGEST = 2**20


async def _app(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/plain"), (b"X-Frame", b"1"), (b"Content-Security-Policy", b"default-src *")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"inside"})


def ask(
    guard: Guard, headers: dict[str, str], query: str = "", kind: str = "http"
) -> tuple[int, str, list[tuple[str, str]]]:
    """Return status, body and headers of the answer to a GET request."""
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "method": "GET", "path": "/", "query_string": query.encode(), "headers": raw}
    asyncio.run(guard(scope, None, send))
    if kind == "websocket":
        return sent[0]["code"], sent[0]["reason"], []
    answered = [(name.decode().lower(), value.decode()) for name, value in sent[0]["headers"]]
    return sent[0]["status"], sent[1]["body"].decode().strip(), answered


def test_its_own_page_is_let_in_and_may_load_nothing_from_elsewhere() -> None:
    guard = Guard(_app, largest=LARGEST)
    for host in ("127.0.0.1:7860", "localhost:7860", "[::1]:7860", "localhost"):
        own = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
        status, body, headers = ask(guard, own)
        assert (status, body) == (200, "inside")
        assert [value for name, value in headers if name == "content-security-policy"] == [POLICY]
        assert ("x-frame", "1") in headers
    assert "http" not in POLICY and "*" not in POLICY


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"host": "evil.example:7860"}, 403, "this host name is not that of the studio"),
        ({}, 403, "this host name is not that of the studio"),
        ({"host": "127.0.0.1.evil.example"}, 403, "this host name is not that of the studio"),
        ({"host": "localhost:7860", "origin": "http://evil.example"}, 403, "requests from other pages are refused"),
        ({"host": "localhost:7860", "origin": "http://localhost:8000"}, 403, "requests from other pages are refused"),
        ({"host": "localhost:7860", "origin": "null"}, 403, "requests from other pages are refused"),
        ({"host": "localhost:7860", "sec-fetch-site": "cross-site"}, 403, "requests from other pages are refused"),
        ({"host": "localhost:7860", "sec-fetch-site": "same-site"}, 403, "requests from other pages are refused"),
        (
            {"host": "localhost:7860", "content-length": str(LARGEST + 1)},
            413,
            "an upload has at most 1 MiB; --max-upload changes it",
        ),
        (
            {"host": "localhost:7860", "content-length": "many"},
            413,
            "an upload has at most 1 MiB; --max-upload changes it",
        ),
    ],
)
def test_other_pages_hosts_and_sizes_are_refused_in_one_line(headers: dict[str, str], status: int, reason: str) -> None:
    assert ask(Guard(_app, largest=LARGEST), headers)[:2] == (status, reason)


def test_a_web_socket_from_another_page_is_closed() -> None:
    headers = {"host": "localhost:7860", "origin": "http://evil.example"}
    assert ask(Guard(_app, largest=LARGEST), headers, kind="websocket")[:2] == (
        1008,
        "requests from other pages are refused",
    )


def test_another_host_needs_the_token_once() -> None:
    guard = Guard(_app, hosts=(), token="secret", largest=LARGEST)
    host = {"host": "gpu.lan:7860"}
    refused = (401, "open the address with ?token=… that ganzoo studio printed")
    assert ask(guard, host)[:2] == refused
    assert ask(guard, host, "token=wrong")[:2] == refused
    assert ask(guard, {**host, "cookie": f"{COOKIE}=wrong"})[:2] == refused
    assert ask(guard, {**host, "cookie": "x=\x01; ="})[:2] == refused
    status, body, headers = ask(guard, host, "token=secret")
    assert (status, body) == (200, "inside")
    assert ("set-cookie", f"{COOKIE}=secret; HttpOnly; SameSite=Strict; Path=/") in headers
    status, body, headers = ask(guard, {**host, "cookie": f"a=b; {COOKIE}=secret"})
    assert (status, body) == (200, "inside")
    assert "set-cookie" not in dict(headers)
    assert ask(guard, {**host, "origin": "http://evil.example", "cookie": f"{COOKIE}=secret"})[0] == 403


def test_this_machines_names_are_the_default() -> None:
    assert Guard(_app, largest=1).hosts == LOCAL


@pytest.mark.parametrize("token", ["a+b/c=", "a&b", "50%25", "a b", "a;b", "ä"])
def test_a_token_that_no_address_or_cookie_takes_is_refused(token: str) -> None:
    with pytest.raises(GanzooError, match=r"^--token: an address and a cookie take only letters"):
        run_studio([], host="0.0.0.0", token=token)
