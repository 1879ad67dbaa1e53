"""The headers of the page and of what it loads, and answers to those who have it already."""

from aiohttp import web

from healthlb.api.answers import SECURITY

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
PAGE = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}


def not_modified(tag: str, **headers: str) -> web.Response:
    """Return the answer to a client that has it already (RFC 9110 section 15.4.5)."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return web.Response(status=304, headers=SECURITY | {"ETag": tag} | named)
