"""Asking a running director over HTTP, on TCP or a UNIX socket.

http.client, as importing aiohttp takes longer than a whole command may.
"""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    # The model costs a fifth of the time in which a command must start.
    from healthlb.model.config import Listener

DEFAULT_URL = "http://127.0.0.1:9480"
DEADLINE = 10.0
"""Seconds for one whole question and answer, however the answer drips."""

_LARGEST = 512 * 1024 * 1024
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (read here, never bound)


class WrongUrlError(ValueError):
    """The URL is not one that a director can be reached at; the text is one sentence."""


class UnreachableError(Exception):
    """The director did not answer as one; the text is one sentence."""


def url_of(listener: "Listener") -> str:
    """Return the URL of a listener of the configuration, as reached from its own machine."""
    if listener.path is not None or listener.endpoint is None:
        return f"unix:{listener.path}"
    host = _ANY_ADDRESS.get(listener.endpoint.address, listener.endpoint.address)
    return f"http://[{host}]:{listener.endpoint.port}" if ":" in host else f"http://{host}:{listener.endpoint.port}"


def fetch(url: str, path: str, deadline: float = DEADLINE) -> str:
    """Return the text of a path's answer.

    Raise `WrongUrlError` for a URL that is neither http://HOST:PORT nor unix:/PATH, and `UnreachableError` for
    everything that may go wrong from there, an answer other than 200 included.
    """
    connection = _connection(url, deadline)
    with _sentences(url, deadline):
        try:
            connection.connect()
            # http.client lets go of the socket as soon as it knows that the answer is the last one.
            with _ended_at(connection.sock, deadline):
                connection.request("GET", path, headers={"Connection": "close"})
                response = connection.getresponse()
                body = response.read(_LARGEST)
                if response.length:
                    raise http.client.IncompleteRead(body, response.length)
        finally:
            connection.close()
    text = body.decode(errors="replace")
    if response.status != http.HTTPStatus.OK:
        raise UnreachableError(f"The director at {url} answered {response.status}: {_error_of(text)}")
    return text


def fetch_object(url: str, path: str, deadline: float = DEADLINE) -> tuple[str, dict[str, Any]]:
    """Return a path's JSON object and its text; raise as `fetch` does, also for what is no JSON object."""
    text = fetch(url, path, deadline)
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UnreachableError(f"What answers at {url} is no healthlb director: it sent no JSON object.")
    return text, value


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket; the Host header is a formality."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection(url: str, timeout: float) -> http.client.HTTPConnection:
    if url.startswith("unix:") and len(url) > len("unix:"):
        return _UnixConnection(url.removeprefix("unix:"), timeout)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    else:
        if parts.scheme != "http" or parts.path not in {"", "/"} or parts.query or not (host or "").isprintable():
            host = None
    if not host:
        raise WrongUrlError(f"{url!r} is no URL of a director; write http://HOST:PORT or unix:/PATH.")
    return http.client.HTTPConnection(host, 9480 if port is None else port, timeout=timeout)


@contextlib.contextmanager
def _ended_at(conversation: socket.socket, deadline: float) -> Iterator[None]:
    """End a conversation at its deadline with TimeoutError: the socket's own timeout starts again at every byte."""
    expired = threading.Event()

    def end() -> None:
        expired.set()
        with contextlib.suppress(OSError):
            conversation.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(deadline, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if expired.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
    if expired.is_set():
        raise TimeoutError


@contextlib.contextmanager
def _sentences(url: str, deadline: float) -> Iterator[None]:
    """Turn what goes wrong on the way into one sentence."""
    try:
        yield
    except TimeoutError as error:
        raise UnreachableError(f"The director at {url} did not answer within {deadline:g} seconds.") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnreachableError(_remedy(url, error)) from error


def _remedy(url: str, error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"No director answers at {url}: connection refused; is `healthlb run` running there?"
    if isinstance(error, FileNotFoundError):
        return f"No director answers at {url}: there is no such socket; is `healthlb run` running?"
    if isinstance(error, PermissionError):
        return f"No permission to ask the director at {url}; run as root or as a member of the socket's group."
    if isinstance(error, socket.gaierror):
        return f"No director answers at {url}: the host name does not resolve."
    if isinstance(error, http.client.HTTPException):
        return f"What answers at {url} is no healthlb director: {type(error).__name__} instead of HTTP."
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"No director answers at {url}: {reason}."


def _error_of(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, dict) and isinstance(value.get("error"), str):
        return str(value["error"])
    return "something that a healthlb director does not say."
