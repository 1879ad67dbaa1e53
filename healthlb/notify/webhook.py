"""`webhook`: a message is an HTTP POST. Any 2xx is a delivery; redirects are not followed.

The URL's path and query, and what header files hold, are secrets: Slack's whole permission is the path. What is shown
of a receiver is its host, a status, and a short answer that repeats none of that.
"""

import re
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from ssl import SSLContext
from typing import Any
from urllib.parse import unquote

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from healthlb import __version__
from healthlb.model.notifiers import Webhook
from healthlb.notify.bodies import body
from healthlb.notify.files import Trust, content, said
from healthlb.notify.message import Message
from healthlb.notify.sending import InThread, RefusedError, UndeliveredError

AGAIN = frozenset({408, 425, 429})
"""Statuses below 500 that say nothing against the message (RFC 9110 section 15.5.9, RFC 8470, RFC 6585 section 4)."""
FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})
SLICE = 65536
MOST_ANSWER = 2048
MOST_SHOWN = 80
SHORTEST_SECRET = 4
SHOWN_TYPES = frozenset({"text/plain", "application/json", "application/problem+json"})
SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class _Request:
    url: URL
    host: str
    headers: dict[str, str]
    body: bytes
    trust: SSLContext | None
    secrets: tuple[str, ...]


class WebhookSender:
    """Posts messages. Each has a connection of its own: there are few of them, and an idle one may be dead."""

    def __init__(self, settings: Webhook, in_thread: InThread) -> None:
        self._settings = settings
        self._in_thread = in_thread
        self._trust = Trust(settings.ca_file)

    async def send(self, message: Message) -> None:
        """Post a message, as `Sender` says."""
        request = await self._in_thread(lambda: self._request(message))
        try:
            await self._post(request)
        except (aiohttp.ClientError, OSError) as error:
            raise UndeliveredError(f"{request.host}: {_fault(error)}") from error
        except ValueError as error:
            raise RefusedError("a header's name or value is not one that HTTP can carry") from error

    def close(self) -> None:
        """Hold nothing between messages."""

    def _request(self, message: Message) -> _Request:
        """Read and make all that is sent; for a thread."""
        settings = self._settings
        url = _url(settings)
        secret = {name: content(f"header_files: {name}:", path).strip() for name, path in settings.header_files}
        headers = {
            "User-Agent": f"healthlb/{__version__}",
            "Content-Type": "application/json",
            "Accept": "*/*",
        }
        for name, value in (*settings.headers, *secret.items()):
            if name.lower() in FRAMING:
                raise RefusedError(f"the header {name} is not one to set: it says where the body ends")
            for known in [each for each in headers if each.lower() == name.lower()]:
                del headers[known]
            headers[name] = value
        data = body(settings, message)
        return _Request(
            url,
            url.host_port_subcomponent or "",
            {**headers, "Content-Length": str(len(data))},
            data,
            self._trust.context() if url.scheme == "https" else None,
            _secrets(url, [value for _, value in settings.headers] + list(secret.values())),
        )

    async def _post(self, request: _Request) -> None:
        connector = aiohttp.TCPConnector(
            ssl=request.trust if request.trust is not None else True,
            resolver=_Resolver(self._in_thread),
            use_dns_cache=False,
            force_close=True,
        )
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        ) as session:
            data = _slices(request.body)
            posting = session.post(request.url, data=data, headers=request.headers, allow_redirects=False)
            async with posting as response:
                await _judge(response, request)


async def _slices(data: bytes) -> AsyncIterator[bytes]:
    """Yield a body in pieces, none of which holds the loop for long."""
    for start in range(0, len(data), SLICE):
        yield data[start : start + SLICE]


async def _judge(response: aiohttp.ClientResponse, request: _Request) -> None:
    status = response.status
    if 200 <= status < 300:
        return
    answer = _shown(await response.content.read(MOST_ANSWER), response.content_type, request.secrets)
    reason = f"{request.host}: status {status}{_phrase(status)}{answer}"
    if status >= 500 or status in AGAIN:
        raise UndeliveredError(reason, _wait(response.headers.get("Retry-After", "")))
    if 300 <= status < 400:
        raise RefusedError(f"{reason}; redirects are not followed")
    raise RefusedError(reason)


def _url(settings: Webhook) -> URL:
    text = content("url_file", settings.url_file).strip() if settings.url_file is not None else settings.url or ""
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host or not text.isprintable():
        where = f"url_file {settings.url_file}" if settings.url_file is not None else "url"
        raise UndeliveredError(f"{where} holds no http or https address")
    if url.user is not None or url.password is not None:
        raise UndeliveredError("the address holds a user or a password; give them by header_files: Authorization")
    return url


def _secrets(url: URL, values: list[str]) -> tuple[str, ...]:
    parts = re.split(r"[/?&=#;]", url.raw_path_qs)
    found = {*parts, *map(unquote, parts)}
    for value in values:
        found |= {value, *value.split()}
    return tuple(each.lower() for each in found if len(each) >= SHORTEST_SECRET)


def _shown(answer: bytes, content_type: str, secrets: tuple[str, ...]) -> str:
    """Return what a receiver said, if it is short, text, and repeats no secret."""
    text = answer.decode("utf-8", "replace").strip()
    if content_type not in SHOWN_TYPES or not text.isascii() or not text.isprintable() or len(text) > MOST_SHOWN:
        return ""
    searched = (text.lower(), unquote(text).lower(), text.replace("\\/", "/").lower())
    if not text or any(secret in each for secret in secrets for each in searched):
        return ""
    return f": {text}"


def _phrase(status: int) -> str:
    try:
        return f" ({HTTPStatus(status).phrase})"
    except ValueError:
        return ""


def _wait(retry_after: str) -> float | None:
    """Return the seconds of a Retry-After (RFC 9110 section 10.2.3); one that is a date is left to our own pauses."""
    return float(retry_after) if SECONDS.fullmatch(retry_after.strip()) else None


def _fault(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate is not trusted: {getattr(error.certificate_error, 'verify_message', 'unknown')}"
        case aiohttp.ClientConnectorSSLError():
            return "TLS cannot be agreed on"
        case aiohttp.ClientConnectorDNSError():
            return f"its name cannot be resolved: {said(error.os_error)}"
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection without an answer"
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return "its answer is not HTTP"
        case OSError():
            return said(getattr(error, "os_error", error))
        case _:
            return type(error).__name__


class _Resolver(AbstractResolver):
    """Asks the system for addresses in the notifier's own thread: one that nobody answers holds up nothing else."""

    def __init__(self, in_thread: InThread) -> None:
        self._in_thread = in_thread

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return a host's addresses; raise OSError."""
        look_up: Callable[[], Any] = lambda: socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)  # noqa: E731
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=address[1],
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in await self._in_thread(look_up)
        ]

    async def close(self) -> None:
        """Hold nothing."""
