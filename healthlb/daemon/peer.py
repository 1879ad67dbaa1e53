"""Asks the other director of a pair for its status, to compare the two."""

import asyncio
import json

import aiohttp

from healthlb.core.readiness import FIELDS, Side, StrangeStatusError, side_in
from healthlb.daemon.worker import Worker

DEADLINE = 10.0
"""Seconds for one whole question and answer."""
LARGEST = 8 * 1024 * 1024
"""Bytes of an answer: what is asked of 10,000 real servers is a sixth of it. A thread that reads JSON has Python's
lock all the while, and everything else waits: some 0.1 s for so much."""


class PeerError(Exception):
    """The other director cannot be asked; the text is a clause."""


async def side_at(url: str, worker: Worker, deadline: float = DEADLINE) -> Side:
    """Return the director whose `api.listen` is at a URL; raise PeerError. What takes long is done by the worker."""
    place = _place(url)
    try:
        async with asyncio.timeout(deadline):
            body = await _status(url, place)
            return await worker.do(lambda: _side(body))
    except TimeoutError as error:
        raise PeerError(f"it did not answer at {place} within {deadline:g} seconds") from error
    except aiohttp.InvalidURL as error:  # it repeats the whole URL
        raise PeerError(f"it cannot be asked at {place}: that is no URL") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise PeerError(f"it cannot be asked at {place}: {reason}") from error


def _place(url: str) -> str:
    """Return a URL without what may be secret in it, a name and a password (RFC 3986 section 3.2.1)."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('/')[0]}" if rest else "what is no URL"


async def _status(url: str, place: str) -> bytes:
    # No proxy of the environment, no cookie and no redirect: the answer is to be this director's.
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.get(
            f"{url.rstrip('/')}/api/v1/status", params={"fields": ",".join(FIELDS)}, allow_redirects=False
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
