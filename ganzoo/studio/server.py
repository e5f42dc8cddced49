"""Serve the studio: the page behind the guard, on uvicorn, until the user stops it."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo.errors import GanzooError
from ganzoo.studio.catalog import Catalog
from ganzoo.studio.guard import LOCAL, Guard
from ganzoo.studio.models import Models
from ganzoo.studio.service import Studio

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

MEBIBYTE = 2**20


def run_studio(
    places: Sequence[str],
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    token: str = "",
    device: str = "",
    precision: str = "fp32",
    idle: float = 600,
    largest: int = 100,
    recipes: Path = Path("recipes"),
) -> None:
    """Serve the studio until it is interrupted; print its address.

    Args:
        places: runs, folders of runs, and published models: the only ones that the page can name.
        host: the address on which it listens; for any but this machine's own, browsers have to show a token.
        port: the port.
        token: the token; empty: a random one where it is needed.
        device, precision: see ``Translator``.
        idle: seconds after which unused networks are freed.
        largest: the most MiB of one upload.
        recipes: the folder for recipes that are written on the page, which is only possible on this machine.

    Raises GanzooError if Gradio is not installed, a place is no folder, the token has other characters than an address
    takes, or the port is taken.
    """
    _require_gradio()
    local = host in ("127.0.0.1", "localhost", "::1")
    if not re.fullmatch(r"[\w.~-]*", token, re.ASCII):
        raise GanzooError(
            "--token: an address and a cookie take only letters, digits, '-', '.', '_' and '~'; change it"
        )
    token = token or ("" if local else secrets.token_urlsafe(24))
    models = Models(device=device, precision=precision, idle=idle)
    with Studio(Catalog(places), models, recipes if local else None) as studio:
        listener = _listen(host, port)
        guarded = Guard(
            make_app(studio, largest * MEBIBYTE), hosts=LOCAL if local else (), token=token, largest=largest * MEBIBYTE
        )
        shown = f"http://{'localhost' if local else socket.gethostname()}:{listener.getsockname()[1]}"
        print(f"the studio runs at {shown}{f'/?token={token}' if token else ''}; Ctrl+C ends it", flush=True)
        import uvicorn

        server = uvicorn.Server(uvicorn.Config(guarded, log_level="critical", timeout_graceful_shutdown=2, ws="none"))
        with _ended_by_signals(server):
            server.run(sockets=[listener])


@contextmanager
def _ended_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Let Ctrl+C and SIGTERM end the server and no more, so that the studio's files are deleted afterwards.

    uvicorn itself would raise the signal again, and the process would end at once.
    """
    server.capture_signals = nullcontext  # type: ignore[assignment,method-assign]
    before = {one: signal.signal(one, server.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def make_app(studio: Studio, largest: int) -> FastAPI:
    """Return the web application, without the guard.

    Args:
        studio: the runs and translators.
        largest: the most bytes of an uploaded file.
    """
    # Gradio reads these when it is imported.
    os.environ["GRADIO_TEMP_DIR"] = str(studio.served)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    import gradio
    from fastapi import FastAPI

    from ganzoo.studio.pages.page import LOOK, build_page
    from ganzoo.studio.pages.watch import add_reports

    studio.served.mkdir(exist_ok=True)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_reports(app, studio)
    page = build_page(studio)
    options: dict[str, Any] = {
        "show_error": True,
        "max_file_size": largest,
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": False,
        "enable_monitoring": False,
        **LOOK,
    }
    return gradio.mount_gradio_app(app, page.queue(max_size=64, api_open=False), "/", **options)


def _require_gradio() -> None:
    """Raise GanzooError if the extra is not installed."""
    from importlib.util import find_spec

    if missing := [name for name in ("gradio", "fastapi", "uvicorn") if find_spec(name) is None]:
        raise GanzooError(f"ganzoo studio needs {missing[0]}: pip install 'ganzoo-i2i[studio]'")


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises GanzooError if this address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)  # who follows the printed address at once waits, and is not refused
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise GanzooError(
            f"--host {host} --port {port}: {reason}; choose another --port, or 0 for any free one"
        ) from None
    return listener
