"""A request as bytes (RFC 9112) or as HTTP/2's fields (RFC 9113 section 8.3)."""

import base64
import contextlib
import re
from dataclasses import replace

from checks import Target, UnusableError
from checks.web.options import Request
from checks.wire.secrets import NAME, hide, secret

_SECRET_PARAMETER = re.compile(NAME.pattern + r"|^(?:key|sig|pass|pwd|jwt)$", re.IGNORECASE)
_PARAMETER = re.compile(r"(?<=[?&;])([^=&;]+)=([^&;]+)")
_MEMBER = re.compile(
    r"""(?<![\w.-])(["']?)(?<![\w.-])([\w.-]{1,64})\1(\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^"'&,;}\s]+)"""
)
"""A member of an object, or a field of a form, with its value."""
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
TOKEN = re.compile(rb"[!-~]+")

Fields = list[tuple[str, str]]


def authorization(username: str | None, password_file: str | None, bearer_file: str | None) -> str | None:
    """Return the Authorization header's value (RFC 7617, RFC 6750), or None. Raise UnusableError."""
    if bearer_file is not None:
        token = secret("bearer_file", bearer_file)
        if TOKEN.fullmatch(token) is None:
            raise UnusableError(f"bearer_file {bearer_file} holds no token: one line of ASCII without spaces")
        return f"Bearer {token.decode('ascii')}"
    if username is not None and password_file is not None:
        pair = username.encode() + b":" + secret("password_file", password_file)
        encoded = base64.b64encode(pair)
        hide(encoded)
        return f"Basic {encoded.decode('ascii')}"
    return None


def fields_of(request: Request, authority: str, credentials: str | None, *, close: bool | None) -> Fields:
    """Return the header fields; `close` None leaves the connection out, which HTTP/2 wants."""
    fields = {"host": ("Host", authority)}
    fields["user-agent"] = ("User-Agent", "healthlb")
    fields["accept"] = ("Accept", "*/*")
    if credentials is not None:
        fields["authorization"] = ("Authorization", credentials)
    if close is not None:
        fields["connection"] = ("Connection", "close" if close else "keep-alive")
    for name, value in request.headers:
        fields[name.lower()] = (name, value)
    if request.body is not None or request.method in WITH_BODY:
        fields["content-length"] = ("Content-Length", str(len(body_of(request))))
    return list(fields.values())


def body_of(request: Request) -> bytes:
    """Return the body to send."""
    return b"" if request.body is None else request.body.encode()


def without_secrets(fields: Fields) -> Fields | None:
    """Return the fields as evidence may keep them, or None where they hold no secret."""
    if not any(NAME.search(name) for name, _ in fields):
        return None
    return [(name, "***" if NAME.search(name) else value) for name, value in fields]


def path_without_secrets(path: str) -> str:
    """Return a path as evidence may keep it: parameters of its query whose names speak of a secret have no value."""
    return _PARAMETER.sub(lambda found: f"{found[1]}=***" if _speaks_of_one(found[1]) else found[0], path)


def body_without_secrets(body: str) -> str:
    """Return a body as evidence may keep it: members and fields whose names speak of a secret have no value."""
    return _MEMBER.sub(lambda it: f"{it[1]}{it[2]}{it[1]}{it[3]}***" if _speaks_of_one(it[2]) else it[0], body)


def hide_secrets(request: Request) -> None:
    """Keep the secrets that a request's headers, query and body hold out of what is told of replies, too."""
    for name, value in request.headers:
        if NAME.search(name):
            hide(value.encode("latin-1", "replace"))
            _hide_password(value)
    for found in _PARAMETER.finditer(request.path):
        if _speaks_of_one(found[1]):
            hide(found[2].encode("latin-1", "replace"))
    for found in _MEMBER.finditer(request.body or ""):
        if _speaks_of_one(found[2]):
            hide(found[4].strip("\"'").encode())


def _hide_password(value: str) -> None:
    """Keep out the password of a Basic header that the configuration writes in base64 (RFC 7617), if it is one."""
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() == "basic":
        with contextlib.suppress(ValueError):
            pair = base64.b64decode(encoded.strip(), validate=True)
            hide(pair)
            hide(pair.partition(b":")[2])


def _speaks_of_one(name: str) -> bool:
    return _SECRET_PARAMETER.search(name) is not None


def public(request: Request) -> Request:
    """Return the request as evidence may keep it, the fields of its head apart."""
    body = None if request.body is None else body_without_secrets(request.body)
    return replace(request, path=path_without_secrets(request.path), body=body)


def as_text(request: Request, version: str, fields: Fields) -> bytes:
    """Return the request as HTTP/1 sends it; for HTTP/2, as it is shown to people."""
    lines = [f"{request.method} {request.path} HTTP/{version}", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body_of(request)


def default_host(target: Target, default_port: int) -> str:
    """Return the target as a Host header says it."""
    address = target.address.partition("%")[0]
    host = f"[{address}]" if ":" in address else address
    return host if target.port == default_port else f"{host}:{target.port}"
