"""Receivers of what notifiers post, in a topology's machines: one that takes everything, one that never answers."""

import contextlib
import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from topology import Machine

PATIENCE = 5.0
"""Seconds that the end of a receiver is waited for."""


class Receiver:
    """Takes posts of JSON and answers 200. `posts` are their paths and bodies, in the order of arrival."""

    def __init__(self, machine: Machine, address: str, port: int) -> None:
        self.posts: list[tuple[str, Any]] = []
        posts = self.posts

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = PATIENCE

            def do_POST(self) -> None:
                posts.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with machine.inside():
            self._server = ThreadingHTTPServer((address, port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()
        machine.net.at_end(self._end)

    @property
    def bodies(self) -> list[Any]:
        """What was posted."""
        return [body for _, body in self.posts]

    def events(self) -> list[dict[str, Any]]:
        """Return the events of all messages in healthlb's own JSON, in the order of arrival."""
        return [event for body in self.bodies for event in body["events"]]

    def _end(self) -> None:
        self._server.shutdown()
        self._thread.join(PATIENCE)
        self._server.server_close()


class DeafReceiver:
    """Lets everybody connect, as the kernel does by itself, and never says a word."""

    def __init__(self, machine: Machine, address: str, port: int) -> None:
        with machine.inside():
            self._listener = socket.create_server((address, port), backlog=512)
        machine.net.at_end(self._listener.close)


class PipeReader:
    """Reads a named pipe, which it makes, as a program that was written for keepalived does."""

    def __init__(self, machine: Machine, path: Path) -> None:
        os.mkfifo(path, 0o600)
        # For writing as well, so that the pipe never ends: writers come and go (fifo(7)).
        self._number = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._heard = b""
        machine.net.at_end(lambda: os.close(self._number))

    def lines(self) -> list[str]:
        """Return the whole lines that have come so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._heard += os.read(self._number, 65536)
        return self._heard.decode().split("\n")[:-1]
