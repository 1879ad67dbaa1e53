"""Something that answers in a director's place, as a test says, and remembers what it was asked."""

import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit


class Asked(NamedTuple):
    """One question: the path is as it was sent, the query apart, the body as JSON."""

    method: str
    path: str
    query: str
    body: Any
    headers: dict[str, str]

    @property
    def plain(self) -> str:
        """The path without percent-encoding."""
        return unquote(self.path)


Answering = Callable[[Asked], "tuple[int, Any]"]


class StandIn(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Answers on a UNIX socket or on TCP, with TLS or without; text is sent as it is, texts as a stream, else JSON."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answering: Answering, path: Path | None = None, context: ssl.SSLContext | None = None) -> None:
        self.address_family = socket.AF_INET if path is None else socket.AF_UNIX
        self.answering = answering
        self.asked: list[Asked] = []
        super().__init__(("127.0.0.1", 0) if path is None else str(path), _Handler)  # type: ignore[arg-type]
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.server_address[1]}" if path is None else f"unix:{path}"

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that leaves is what a test wanted."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def address_string(self) -> str:
        return "a test"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        data = self.rfile.read(length)
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, parts.path, unquote(parts.query), json.loads(data) if data else None, headers)
        self.server.asked.append(asked)
        status, value = self.server.answering(asked)
        self.send_response(status)
        if isinstance(value, Iterator):
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            for part in value:
                self.wfile.write(part.encode())
            return
        content = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815


@contextmanager
def standing_in(
    answering: Answering, path: Path | None = None, context: ssl.SSLContext | None = None
) -> Iterator[StandIn]:
    """Answer for as long as the block lasts."""
    with StandIn(answering, path, context) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)
