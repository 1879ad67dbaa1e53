"""Asking a running director over HTTP, on TCP with TLS or without, or on a UNIX socket.

http.client, as importing aiohttp takes longer than a whole command may.
"""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl

    # The model costs a fifth of the time in which a command must start.
    from healthlb.model.config import Listener

DEFAULT_URL = "http://127.0.0.1:9480"
DEADLINE = 10.0
"""Seconds for one whole question and answer, however the answer drips."""

_LARGEST = 512 * 1024 * 1024
_LONGEST_LINE = 1024 * 1024
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (read here, never bound)


class WrongUrlError(ValueError):
    """The URL is not one that a director can be reached at; the text is one sentence."""


class UnreachableError(Exception):
    """The director did not answer as one; the text is one sentence. `status`: HTTP's, where there was an answer."""

    def __init__(self, sentence: str, status: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status


class Way(NamedTuple):
    """How a director is reached: a URL and, on TCP, the admin token.

    Over TLS it is trusted by the system's authorities, by those in `ca_file`, or because its certificate is the one in
    `certificate_file`, whatever name that has.
    """

    url: str
    token: str | None = None
    ca_file: str | None = None
    certificate_file: str | None = None


class Answer(NamedTuple):
    """What the director answered: the HTTP status, the JSON object and the text that it came in."""

    status: int
    value: dict[str, Any]
    text: str

    @property
    def error(self) -> str:
        """The director's sentence on what is wrong."""
        return _error_of(self.value)


def url_of(listener: "Listener", *, tls: bool = False) -> str:
    """Return the URL of a listener of the configuration, as reached from its own machine."""
    if listener.path is not None or listener.endpoint is None:
        return f"unix:{listener.path}"
    host = _ANY_ADDRESS.get(listener.endpoint.address, listener.endpoint.address)
    scheme = "https" if tls else "http"
    return (
        f"{scheme}://[{host}]:{listener.endpoint.port}"
        if ":" in host
        else f"{scheme}://{host}:{listener.endpoint.port}"
    )


def fetch(url: "str | Way", path: str, deadline: float = DEADLINE) -> str:
    """Return the text of a path's answer.

    Raise `WrongUrlError` for a URL that is none of http://HOST:PORT, https://HOST:PORT and unix:/PATH, and
    `UnreachableError` for everything that may go wrong from there, an answer other than 200 included.
    """
    way = _way(url)
    status, text = _exchange(way, "GET", path, None, deadline)
    if status != http.HTTPStatus.OK:
        raise _refused(way, status, text)
    return text


def fetch_object(url: "str | Way", path: str, deadline: float = DEADLINE) -> tuple[str, dict[str, Any]]:
    """Return a path's JSON object and its text; raise as `fetch` does, also for what is no JSON object."""
    way = _way(url)
    text = fetch(way, path, deadline)
    value = _object(text)
    if value is None:
        raise UnreachableError(f"What answers at {way.url} is no healthlb director: it sent no JSON object.")
    return text, value


def ask(way: Way, method: str, path: str, body: Mapping[str, Any] | None = None, deadline: float = DEADLINE) -> Answer:
    """Return the answer to a command, whatever its status; raise as `fetch` does where there is none."""
    status, text = _exchange(way, method, path, body, deadline)
    value = _object(text)
    if value is None:
        raise UnreachableError(f"What answers at {way.url} is no healthlb director: it answered {status} without JSON.")
    return Answer(status, value, text)


@contextlib.contextmanager
def stream(
    way: Way, path: str, headers: Mapping[str, str], silence: float, deadline: float = DEADLINE
) -> Iterator[Iterator[str]]:
    """Give the lines of an answer that goes on; `silence` is how many seconds the next byte may take to come.

    Raise as `fetch` does, also in the midst of it, and for its end.
    """
    connection = _connection(way, deadline)
    try:
        with _sentences(way, deadline):
            connection.connect()
            conversation = connection.sock
            with _ended_at(conversation, connection.left()):
                connection.request("GET", path, headers={**_headers(way), **headers})
                response = connection.getresponse()
                text = "" if response.status == http.HTTPStatus.OK else response.read(_LARGEST).decode(errors="replace")
        if text or response.status != http.HTTPStatus.OK:
            raise _refused(way, response.status, text)
        conversation.settimeout(silence)
        yield _lines(way, response, silence)
    finally:
        connection.close()


def _lines(way: Way, response: http.client.HTTPResponse, silence: float) -> Iterator[str]:
    while True:
        with _sentences(way, silence):
            line = response.readline(_LONGEST_LINE)
        if not line:
            raise UnreachableError(f"The director at {way.url} ended the stream.")
        yield line.decode(errors="replace").rstrip("\r\n")


def _refused(way: Way, status: int, text: str) -> UnreachableError:
    return UnreachableError(f"The director at {way.url} answered {status}: {_error_of(_object(text))}", status)


def _way(url: "str | Way") -> Way:
    return Way(url) if isinstance(url, str) else url


def _exchange(way: Way, method: str, path: str, body: Mapping[str, Any] | None, deadline: float) -> tuple[int, str]:
    """Return the status and the text of an answer; everything together takes `deadline` seconds at most."""
    connection = _connection(way, deadline)
    headers = {**_headers(way), "Connection": "close"}
    data = None if body is None else json.dumps(body).encode()
    headers |= {} if data is None else {"Content-Type": "application/json"}
    try:
        with _sentences(way, deadline):
            connection.connect()
            left = connection.left()
        # http.client lets go of the socket as soon as it knows that the answer is the last one.
        with _sentences(way, deadline, changes=method != "GET"), _ended_at(connection.sock, left):
            # One who is turned away is answered before he is heard (RFC 9112 section 9.5): that answer is the reason.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body=data, headers=headers)
            response = connection.getresponse()
            content = response.read(_LARGEST)
            if response.length:
                raise http.client.IncompleteRead(content, response.length)
    finally:
        connection.close()
    return response.status, content.decode(errors="replace")


def _headers(way: Way) -> dict[str, Any]:
    # As bytes: http.client would spell text as Latin-1.
    return {} if way.token is None else {"Authorization": b"Bearer " + way.token.encode(errors="replace")}


class _Connection(http.client.HTTPConnection):
    """HTTP over a UNIX socket, TCP or TLS; connecting ends at the deadline, however many addresses there are."""

    def __init__(
        self, host: str, port: int, deadline: float, path: str | None = None, context: "ssl.SSLContext | None" = None
    ) -> None:
        super().__init__(host, port, timeout=deadline)
        self._path = path
        self._context = context
        self._end = time.monotonic() + deadline

    def left(self) -> float:
        """Return how many seconds are left; raise TimeoutError when none are."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def connect(self) -> None:
        if self._path is not None:
            self.sock = self._connected(socket.AF_UNIX, self._path)
            return
        failure: OSError = OSError("the host name has no address")
        for family, _, _, _, address in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
            try:
                self.sock = self._connected(family, address)
                break
            except OSError as error:
                failure = error
        else:
            raise failure
        if self._context is not None:
            self.sock.settimeout(self.left())  # for the whole handshake: ssl does not begin it again at every byte
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)

    def _connected(self, family: int, address: Any) -> socket.socket:
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.settimeout(self.left())
            made.connect(address)
        except BaseException:
            made.close()
            raise
        return made


def _connection(way: Way, deadline: float) -> _Connection:
    url = way.url
    if url.startswith("unix:") and len(url) > len("unix:"):
        return _Connection("localhost", 0, deadline, url.removeprefix("unix:"))
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    else:
        plain = parts.path in {"", "/"} and not parts.query and "@" not in parts.netloc
        if parts.scheme not in {"http", "https"} or not plain or not (host or "").isprintable():
            host = None
    if not host:
        raise WrongUrlError(
            f"{url!r} is no URL of a director; write http://HOST:PORT or unix:/PATH, or https://HOST:PORT with TLS."
        )
    if way.token is not None and parts.scheme == "http" and not _is_loopback(host):
        raise WrongUrlError(f"The token would go to {host} in the clear; write https://{parts.netloc}.")
    context = _context(way) if parts.scheme == "https" else None
    return _Connection(host, 9480 if port is None else port, deadline, context=context)


def _is_loopback(host: str) -> bool:
    import ipaddress  # noqa: PLC0415  only where there is a token

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _context(way: Way) -> "ssl.SSLContext":
    import ssl  # noqa: PLC0415  most directors are asked in the clear on their own machine

    named = way.ca_file or way.certificate_file
    try:
        context = ssl.create_default_context(cafile=way.ca_file)
        if way.ca_file is None and way.certificate_file is not None:
            # Only the first, the director's own: nothing else that its issuer signed (X509_V_FLAG_PARTIAL_CHAIN).
            with open(way.certificate_file, encoding="ascii", errors="replace") as file:  # noqa: PTH123
                text = file.read(_LONGEST_LINE)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
            context.load_verify_locations(cadata=text.partition(ssl.PEM_FOOTER)[0] + ssl.PEM_FOOTER)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise WrongUrlError(f"The certificates in {named} cannot be used: {reason}.") from error
    return context


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
def _sentences(way: Way, deadline: float, *, changes: bool = False) -> Iterator[None]:
    """Turn what goes wrong on the way into one sentence; `changes`: what was asked for may have been done already."""
    more = (
        " It may have done what it was asked for; `healthlb overrides` and `healthlb status` tell." if changes else ""
    )
    try:
        yield
    except TimeoutError as error:
        raise UnreachableError(
            f"The director at {way.url} did not answer within {deadline:g} seconds.{more}"
        ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnreachableError(_remedy(way.url, error) + more) from error


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
    if (distrust := getattr(error, "verify_message", None)) is not None:  # ssl.SSLCertVerificationError
        return f"The certificate of the director at {url} is not trusted: {distrust}; --ca-file names who signed it."
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"No director answers at {url}: {reason}."


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else None


def _error_of(value: dict[str, Any] | None) -> str:
    if value is not None and isinstance(value.get("error"), str):
        return str(value["error"])
    return "something that a healthlb director does not say."
