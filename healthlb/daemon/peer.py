"""Asks the other director of a pair for its status, to compare the two."""

import asyncio
import json
import os
import re
import ssl

import aiohttp

from checks import UnusableError
from checks.wire.secrets import secret
from healthlb.core.readiness import FIELDS, Side, StrangeStatusError, side_in
from healthlb.daemon.worker import Worker

DEADLINE = 10.0
"""Seconds for one whole question and answer."""
LARGEST = 8 * 1024 * 1024
"""Bytes of an answer: what is asked of 10,000 real servers is a sixth of it. A thread that reads JSON has Python's
lock all the while, and everything else waits: some 0.1 s for so much."""

TOKEN = re.compile(rb"[!-~]+")


class PeerError(Exception):
    """The other director cannot be asked; the text is a clause."""


async def side_at(
    url: str, worker: Worker, deadline: float = DEADLINE, *, ca_file: str = "", token_file: str = ""
) -> Side:
    """Return the director whose `api.listen` is at a URL; raise PeerError. What takes long is done by the worker.

    With https `ca_file` holds the authorities that are trusted instead of the system's; `token_file` holds a bearer
    token (RFC 6750) that is sent.
    """
    place = _place(url)
    try:
        async with asyncio.timeout(deadline):
            trust = await worker.do(lambda: _trust(ca_file)) if url.startswith("https:") else None
            token = await worker.do(lambda: _token(token_file)) if token_file else ""
            body = await _status(url, place, trust, token)
            return await worker.do(lambda: _side(body))
    except TimeoutError as error:
        raise PeerError(f"it did not answer at {place} within {deadline:g} seconds") from error
    except aiohttp.ClientConnectorCertificateError as error:
        told = getattr(error.certificate_error, "verify_message", None) or str(error.certificate_error)
        raise PeerError(f"its certificate at {place} is not trusted: {told}") from error
    except aiohttp.InvalidURL as error:  # it repeats the whole URL
        raise PeerError(f"it cannot be asked at {place}: that is no URL") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise PeerError(f"it cannot be asked at {place}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return in words why there was no answer: asyncio's own words for a refused connection are a tuple."""
    if isinstance(error, aiohttp.ClientSSLError):
        return "TLS cannot be agreed upon there; is it http?"
    number = error.errno if isinstance(error, OSError) else None
    if number is not None and number > 0:  # below are getaddrinfo's (netdb.h), which have their own words
        return os.strerror(number).lower()
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _place(url: str) -> str:
    """Return a URL without what may be secret in it, a name and a password (RFC 3986 section 3.2.1)."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('/')[0]}" if rest else "what is no URL"


def _trust(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except ssl.SSLError as error:
        raise PeerError(f"ca_file {ca_file} holds no certificates in PEM") from error
    except OSError as error:
        raise PeerError(f"ca_file {ca_file}: {(error.strerror or str(error)).lower()}") from error


def _token(token_file: str) -> str:
    try:
        held = secret("token_file", token_file)
    except UnusableError as error:
        raise PeerError(str(error)) from error
    if not TOKEN.fullmatch(held):
        raise PeerError(f"token_file {token_file} holds no token of printable ASCII characters without spaces")
    return held.decode()


async def _status(url: str, place: str, trust: ssl.SSLContext | None, token: str) -> bytes:
    # No proxy of the environment, no cookie and no redirect: the answer is to be this director's.
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.get(
            f"{url.rstrip('/')}/api/v1/status",
            params={"fields": ",".join(FIELDS)},
            allow_redirects=False,
            ssl=trust if trust is not None else True,
            headers={"Authorization": f"Bearer {token}"} if token else {},
        ) as answer,
    ):
        if answer.status != 200:
            raise PeerError(f"it answered {answer.status} at {place}")
        body = bytearray()
        async for piece in answer.content.iter_any():
            body += piece
            if len(body) > LARGEST:
                raise PeerError(f"its answer at {place} is larger than {LARGEST} bytes")
        return bytes(body)


def _side(body: bytes) -> Side:
    try:
        return side_in(json.loads(body))
    except StrangeStatusError as error:
        raise PeerError(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise PeerError("it sent no JSON") from error
