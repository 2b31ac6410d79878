"""The server of the playground: the page's files, and one web socket a tab. It is reached from this machine only.

It listens on 127.0.0.1. A browser lets every page of the internet talk to that address, so each request must also
name this server as its Host, which no other site's name can be made to do, and come from this server's own page (its
Origin) where it says where it comes from. What is sent is a picture of the state; nothing that comes in is executed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import webbrowser
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
import websockets  # noqa: F401  (without it, uvicorn answers no web socket)
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from .._pictures import MINUS, PLUS, activation_colour
from ..layers.activations import ACTIVATIONS
from ..training.progress import say
from . import wire
from .session import LONGEST, Session

HOST, PORT = "127.0.0.1", 8717
SESSIONS = 24  # at one time: each keeps its nets in memory
WAITING = 64  # messages of a page that are not followed yet; what is beyond waits in the browser
SLICE = 0.01  # seconds of work between two looks at what the page says
PAGE = Path(__file__).parent / "page"
DRAWN = '{"do":"drawn"}'  # what the page says when the last frame is on the screen
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    # Scripts come from this server's files alone, none from inside HTML. The page calls no eval; it stays allowed
    # because tools that drive a browser wait with it.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-eval'; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def is_ours(headers: Headers) -> bool:
    """True where the Host is this machine and the Origin, if there is one, is this server's own page."""
    host, origin = headers.get("host", ""), headers.get("origin")
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name in (HOST, "localhost") and origin in (None, f"http://{host}")


class OursOnly:
    """Refuses, with 403, every request and web socket that `is_ours` does not know."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or is_ours(Headers(scope=scope)):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).close()  # before it is accepted: uvicorn answers 403
        else:
            await PlainTextResponse("This server answers its own page only.\n", 403)(scope, receive, send)


def colours() -> str:
    """The colours of minigrad's pictures as CSS variables."""
    named = {"plus": PLUS, "minus": MINUS} | {kind.replace("_", "-"): activation_colour(kind) for kind in ACTIVATIONS}
    return ":root {\n" + "".join(f"  --{name}: {colour};\n" for name, colour in named.items()) + "}\n"


def file_route(name: str, text: str) -> Route:
    """A route that answers with one file of the page."""

    async def answer(request: Request) -> Response:
        return Response(text, media_type=KINDS[Path(name).suffix], headers=HEADERS)

    return Route("/" if name == "index.html" else f"/{name}", answer)


async def healthz(request: Request) -> Response:
    """200 as soon as the server answers."""
    return PlainTextResponse("ok\n", headers=HEADERS)


class Tabs:
    """The web sockets that are open: one session each, which ends with its tab."""

    def __init__(self, most: int = SESSIONS) -> None:
        self.most, self.open = most, 0

    async def talk(self, ws: WebSocket) -> None:
        """One tab, from its first message to its last."""
        await ws.accept()
        if self.open >= self.most:
            await ws.send_text(wire.dumps({"full": f"{self.open} tabs are open already: close one, then reload this."}))
            await ws.close(1013)
            return
        self.open += 1
        try:
            await serve_tab(ws)
        finally:
            self.open -= 1


async def serve_tab(ws: WebSocket) -> None:
    """Follow what the page says, work in between, and send a frame whenever the page has drawn the last one."""
    session, inbox = Session(), asyncio.Queue[str | None](WAITING)
    reader = asyncio.create_task(_read(ws, inbox))
    drawn = False  # may a frame be sent? The page says so when it is there, and after each frame
    try:
        while True:
            texts = [] if session.running else [await inbox.get()]
            while not inbox.empty():
                texts.append(inbox.get_nowait())
            for text in texts:
                if text is None:
                    return
                if text == DRAWN:
                    drawn = True
                elif (answer := await asyncio.to_thread(session.receive, text)) is not None:
                    await ws.send_text(wire.dumps(answer))
            if session.running:
                await asyncio.to_thread(session.advance, SLICE)
            if session.changed and drawn:
                drawn = False
                await ws.send_text(await asyncio.to_thread(_frame, session))
    except WebSocketDisconnect:
        pass
    finally:
        reader.cancel()


def _frame(session: Session) -> str:
    return wire.dumps({"frame": session.frame()})


async def _read(ws: WebSocket, inbox: asyncio.Queue[str | None]) -> None:
    """Put the page's messages into the inbox; None when the tab is closed."""
    with contextlib.suppress(WebSocketDisconnect, KeyError):  # KeyError: bytes, which our page never sends
        while True:
            await inbox.put(await ws.receive_text())
    await inbox.put(None)


# ---- the whole -------------------------------------------------------------------------------------------


def application(most: int = SESSIONS) -> ASGIApp:
    """The page and its web socket, for so many tabs at one time."""
    files = [file_route(path.name, path.read_text("utf-8")) for path in sorted(PAGE.iterdir()) if path.suffix in KINDS]
    routes = [
        *files,
        file_route("colours.css", colours()),
        Route("/healthz", healthz),
        WebSocketRoute("/session", Tabs(most).talk),
    ]
    return OursOnly(Starlette(routes=routes))


def listen(port: int | None) -> socket.socket:
    """A socket on this machine alone. port None: PORT, or any that is free where PORT is in use; 0: any that is free.

    OSError where the port cannot be had.
    """
    listener = socket.socket()
    if os.name == "posix":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, PORT if port is None else port))
        listener.listen()
    except OSError as error:
        listener.close()
        if port is None:
            return listen(0)
        raise OSError(f"port {port}: {error.strerror}; give another --port, or 0 for any that is free") from None
    return listener


def serve(port: int | None, browser: bool) -> None:
    """Say the address, open it in the browser where wanted, and answer until Ctrl-C."""
    with listen(port) as listener:
        address = f"http://{HOST}:{listener.getsockname()[1]}/"
        say(f"minigrad play: {address} (Ctrl-C ends it)")
        if browser:  # in a thread, as some browsers of the terminal do not return before they are closed
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
        config = uvicorn.Config(
            application(), log_level="warning", access_log=False, lifespan="off", server_header=False,
            ws_max_size=2 * LONGEST, timeout_graceful_shutdown=1,
        )  # fmt: skip
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
