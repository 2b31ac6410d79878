"""minigrad play: the playground in the browser."""

from __future__ import annotations

import argparse
from typing import Any

from .options import at_least

SUMMARY = "Open the playground: sliders for one neuron, one step and a whole net"
EXAMPLES = """\
  minigrad play                        open it in the browser; Ctrl-C ends it
  minigrad play --port 9000            at http://127.0.0.1:9000/, which only this machine can reach
  minigrad play --no-browser           say the address and open nothing"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "--port",
        type=port,
        metavar="N",
        help="port of the page (default: 8717, or any that is free)",
    )
    parser.add_argument("--no-browser", action="store_true", help="open no browser")


def port(text: str) -> int:
    """A type for argparse: a port, 0 for any that is free."""
    number: int = at_least(0)(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"expected a port, 0 to 65535, got {text!r}")
    return number


def run(args: Any) -> int:
    """Serve the page until Ctrl-C."""
    try:
        from ..play import server  # here, because its packages are an extra
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn", "websockets"):
            raise
        raise ImportError(f"play needs {error.name}: pip install starlette uvicorn websockets") from None
    server.serve(args.port, browser=not args.no_browser)
    return 0
