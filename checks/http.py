"""`http` and `https`: one HTTP/1.1 request, and what its reply must be (RFC 9110, RFC 9112).

The check is decided as soon as it can be: at the end of the headers when the status is wrong or no body is expected,
else at the end of the body or after `body_limit` bytes of it, decoded. What follows is not looked at.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import httptools

from checks import Check, Conversation, Step, Target, Tls, Verdict
from checks.content import Decoder, UndecodableError, UnknownCodingError, decoder
from checks.options import Integer, ListOf, Matching, Record, Regex, TableOf, Text, name_of, option

HEAD_LIMIT = 65536
"""The most bytes that interim replies, the status line and the headers may have together."""
FRAMING = 8
"""How many bytes on the wire a byte of body may cost; 1-byte chunks, the dearest honest ones, cost 6."""

NAME_FORM = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
FIRST_BYTES = 16
VALUE_FORM = r"[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?"
FRAMING_HEADERS = frozenset({"host", "content-length", "transfer-encoding"})
SECRET_HEADER = re.compile(r"authorization|cookie|token|secret|password|api-?key", re.IGNORECASE)
NO_BODY = frozenset({"HEAD", "CONNECT"})
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class StatusRange:
    """A status code, `200`, or an inclusive range of them, `200-299`; parsed to (first, last)."""

    def parse(self, value: Any) -> tuple[int, int]:
        """Take a number or text."""
        match = None
        if isinstance(value, int | str) and not isinstance(value, bool):
            match = re.fullmatch(r"([1-9][0-9]{2})(?:\s*-\s*([1-9][0-9]{2}))?", str(value))
        if match is None:
            raise ValueError(f"expected a status such as 200 or a range such as 200-299, found {name_of(value)}")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise ValueError(f"the range {value} ends before it begins")
        return first, last

    def show(self, value: tuple[int, int]) -> str:
        """Return a range as the file spells it."""
        first, last = value
        return str(first) if first == last else f"{first}-{last}"

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `parse` takes."""
        return {
            "anyOf": [
                {"type": "integer", "minimum": 100, "maximum": 999},
                {"type": "string", "pattern": r"^[1-9][0-9]{2}(\s*-\s*[1-9][0-9]{2})?$"},
            ]
        }


METHOD = Matching(NAME_FORM, "a method such as GET or HEAD")
PATH = Matching(
    r"(?:/|https?://)[!\"$-~]*|\*",
    "a path that begins with / and has neither spaces nor # (percent-encode what it lacks)",
)
HOST = Matching(r"[!-.0-~]+", "a host name or address, with or without :port")
VALUE = Matching(VALUE_FORM, "a header's value: one line of Latin-1 text without spaces at its ends")


@dataclass(frozen=True, slots=True)
class Http(Check):
    """Ask over HTTP/1.1 and judge the status and, if wanted, the body."""

    type: ClassVar[str] = "http"
    default_port: ClassVar[int] = 80

    method: str = option(METHOD, "The request's method.", "GET")
    path: str = option(PATH, "What is asked for, with its query if any.", "/")
    host: str | None = option(HOST, "The Host header; default: the target's address, and its port if unusual.", None)
    headers: tuple[tuple[str, str], ...] = option(
        TableOf(VALUE), "More headers; User-Agent, Accept and Connection replace ours.", ()
    )
    body: str | None = option(Text(empty=True), "A body to send, as UTF-8, with its Content-Length.", None)
    status: tuple[tuple[int, int], ...] = option(
        ListOf(StatusRange(), single=True, minimum=1), "Statuses that pass.", ((200, 299),)
    )
    expect: str | None = option(Text(), "Text that the body must contain, compared as UTF-8 bytes.", None)
    expect_regex: re.Pattern[str] | None = option(
        Regex(), "Regular expression to find in the body, read as UTF-8; what is not valid becomes U+FFFD.", None
    )
    body_limit: int = option(
        Integer(1, 1 << 24, "bytes"),
        "Bytes of body, decoded, that are read; the rest is neither read nor judged.",
        65536,
    )

    def faults(self) -> Iterable[tuple[str, str]]:
        """Yield (option, sentence) for what is wrong between options that are each right."""
        return _faults(self)

    def converse(self, target: Target) -> Conversation:
        """Send the request and judge the reply."""
        return _converse(self, target)


@dataclass(frozen=True, slots=True)
class Https(Http):
    """The same over TLS. Without `tls.server_name`, the name in `host` is asked for and verified, if there is one."""

    type: ClassVar[str] = "https"
    default_port: ClassVar[int] = 443

    tls: Tls = option(Record(Tls), "How TLS is spoken; the certificate is verified by default.", Tls())

    def __post_init__(self) -> None:
        """Take the server's name from `host`."""
        if self.tls.server_name is None and self.host is not None:
            name = _name_of_host(self.host)
            if name is not None:
                object.__setattr__(self, "tls", replace(self.tls, server_name=name))


def _name_of_host(host: str) -> str | None:
    if host.startswith("["):
        return None
    name = host.partition(":")[0]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name or None
    return None


def _faults(check: Http) -> Iterator[tuple[str, str]]:
    expecting = [name for name in ("expect", "expect_regex") if getattr(check, name) is not None]
    if check.method in NO_BODY:
        for name in expecting:
            yield name, f"the reply to {check.method} has no body to look at; use GET"
    yield from (("headers", sentence) for sentence in _header_faults(check.headers))
    if check.tls is not None:
        for protocol in check.tls.alpn:
            if protocol not in ("http/1.1", "http/1.0"):
                yield "tls", f"alpn: this check speaks http/1.1, so {protocol} must not be offered"


def _header_faults(headers: tuple[tuple[str, str], ...]) -> Iterator[str]:
    seen: set[str] = set()
    for name, _ in headers:
        if re.fullmatch(NAME_FORM, name) is None:
            escaped = name.encode("unicode_escape").decode("ascii")
            yield f"'{escaped}' cannot be a header's name (RFC 9110 section 5.1)"
        elif name.lower() == "host":
            yield "the Host header has its own option: host"
        elif name.lower() in FRAMING_HEADERS:
            yield f"{name} is set by healthlb, from body"
        elif name.lower() in seen:
            yield f"{name} is there twice"
        seen.add(name.lower())


def _request(check: Http, target: Target, *, shown: bool) -> bytes:
    """Build the request; `shown` is the one for evidence, with the secrets left out."""
    fields = {"host": ("Host", check.host or _default_host(target, check.default_port))}
    fields["user-agent"] = ("User-Agent", "healthlb")
    fields["accept"] = ("Accept", "*/*")
    fields["connection"] = ("Connection", "close")
    for name, value in check.headers:
        fields[name.lower()] = (name, "***" if shown and SECRET_HEADER.search(name) else value)
    body = b"" if check.body is None else check.body.encode()
    if check.body is not None or check.method in WITH_BODY:
        fields["content-length"] = ("Content-Length", str(len(body)))
    lines = [f"{check.method} {check.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.values())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def _default_host(target: Target, default_port: int) -> str:
    address = target.address.partition("%")[0]
    host = f"[{address}]" if ":" in address else address
    return host if target.port == default_port else f"{host}:{target.port}"


def _converse(check: Http, target: Target) -> Conversation:
    shown = None
    if any(SECRET_HEADER.search(name) for name, _ in check.headers):
        shown = _request(check, target, shown=True)
    reply = _Reply(check)
    data = yield Step(_request(check, target, shown=False), shown=shown)
    while data:
        reply.feed(data)
        if reply.verdict is not None:
            return reply.verdict
        data = yield Step()
    return reply.end()


class _Reply:
    """What httptools' callbacks (llhttp) saw of a reply. `verdict` is set once, by the first thing that decides."""

    def __init__(self, check: Http) -> None:
        self.verdict: Verdict | None = None
        self._check = check
        self._parser = httptools.HttpResponseParser(self)
        self._wire = 0
        self._wire_limit = HEAD_LIMIT + FRAMING * check.body_limit
        self._phrase = b""
        self._status = 0
        self._codings: list[str] = []
        self._length: int | None = None
        self._chunked = False
        self._head_done = False
        self._decoder: Decoder | None = None
        self._body = bytearray()
        self._first = b""

    def feed(self, data: bytes) -> None:
        """Parse more of the reply, as much as the limits allow."""
        while data and self.verdict is None:
            room = (self._wire_limit if self._head_done else HEAD_LIMIT) - self._wire
            if room <= 0:
                self._decide(False, self._too_long())
                return
            self._parse(data[:room])
            data = data[room:]

    def _parse(self, data: bytes) -> None:
        if len(self._first) < FIRST_BYTES:
            self._first = (self._first + data[:FIRST_BYTES]).lstrip(b"\r\n")
        self._wire += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # 101 or CONNECT: judged at the end of its headers
        except httptools.HttpParserError as error:
            words = str(error).rstrip(".") or "it cannot be parsed"
            self._decide(False, f"malformed HTTP reply: {words}" if self._is_http() else "not an HTTP reply")

    def _is_http(self) -> bool:
        return self._first.startswith(b"HTTP/")

    def _too_long(self) -> str:
        if not self._head_done:
            return f"the reply's headers are longer than {HEAD_LIMIT} bytes"
        return f"{self._wire} bytes came, and they hold only {len(self._body)} bytes of body"

    def end(self) -> Verdict:
        """Judge a reply after which the server closed the connection."""
        if not self._head_done:
            if self._wire:
                self._decide(False, f"the connection closed in the middle of the headers, after {self._wire} bytes")
            else:
                self._decide(False, "the connection closed without a reply")
        elif self._chunked:
            self._decide(False, "the connection closed in the middle of a chunked body")
        elif self._length is not None:
            self._decide(False, f"the connection closed in the middle of a body of {self._length} bytes")
        else:
            self._judge_body()  # RFC 9112 section 6.3, rule 8: the close is the body's end
        assert self.verdict is not None  # noqa: S101  each branch above has decided
        return self.verdict

    def _decide(self, passed: bool, reason: str) -> None:
        if self.verdict is None:
            self.verdict = Verdict(passed, reason)

    # httptools' callbacks. One that raises would come back as a parser error: they decide instead.

    def on_message_begin(self) -> None:
        """Start a reply: the final one, or one more after an interim one."""
        self._phrase = b""
        self._codings = []
        self._length = None
        self._chunked = False

    def on_status(self, phrase: bytes) -> None:
        """Take a piece of the reason phrase."""
        self._phrase += phrase

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note how the body is framed and coded; other headers are not ours to judge. Trailers come here, too."""
        if self._head_done:
            return
        match name.lower():
            case b"content-encoding":
                self._codings += [coding.strip().lower() for coding in value.decode("latin-1").split(",")]
            case b"content-length":
                self._length = int(value)
            case b"transfer-encoding":
                codings = [coding.strip().lower() for coding in value.decode("latin-1").split(",")]
                self._chunked = codings[-1] == "chunked"
                self._codings += codings[:-1] if self._chunked else codings

    def on_headers_complete(self) -> None:
        """Judge the status, unless it is an interim one (RFC 9110 section 15.2)."""
        status = self._parser.get_status_code()
        if self.verdict is not None or (100 <= status <= 199 and status != 101):
            return
        self._head_done = True
        self._status = status
        check = self._check
        version = self._parser.get_http_version()
        if not self._is_http():
            self._decide(False, "not an HTTP reply")
        elif not version.startswith("1."):
            self._decide(False, f"the server answered in HTTP/{version}, which is not what it was asked in")
        elif not any(first <= status <= last for first, last in check.status):
            self._decide(False, f"status {status}, expected {_show_statuses(check.status)}")
        elif check.expect is None and check.expect_regex is None:
            self._pass()
        else:
            try:
                self._decoder = decoder(self._codings)
            except UnknownCodingError as error:
                # The server's word, which may be long or steer a terminal.
                coding = _shorten(str(error)).encode("ascii", "backslashreplace").decode()
                self._decide(False, f"the body cannot be judged: its coding '{coding}' is not known here")

    def on_body(self, data: bytes) -> None:
        """Decode a piece of the body, up to the limit."""
        if self.verdict is not None or self._decoder is None:
            return
        room = self._check.body_limit - len(self._body)
        try:
            self._body += self._decoder(data, room)
        except UndecodableError as error:
            self._decide(False, f"the body is not what its headers say: {error}")
            return
        if len(self._body) >= self._check.body_limit:
            self._judge_body()

    def on_message_complete(self) -> None:
        """Judge the body, if this was not an interim reply."""
        if self._head_done and self.verdict is None:
            self._judge_body()

    def _judge_body(self) -> None:
        check, body = self._check, bytes(self._body)
        where = "body" if len(body) < check.body_limit else f"first {check.body_limit} bytes of the body"
        if check.expect is not None and check.expect.encode() not in body:
            self._decide(False, f"{self._status}, but the {where} does not contain '{_shorten(check.expect)}'")
        pattern = check.expect_regex
        if pattern is not None and self.verdict is None and pattern.search(body.decode("utf-8", "replace")) is None:
            self._decide(False, f"{self._status}, but the {where} does not match /{_shorten(pattern.pattern)}/")
        self._pass()

    def _pass(self) -> None:
        phrase = self._phrase.decode("latin-1").strip()
        self._decide(
            True, f"{self._status} {_shorten(phrase)}" if phrase.isprintable() and phrase else f"{self._status}"
        )


def _show_statuses(statuses: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in statuses)


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
