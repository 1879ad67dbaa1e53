"""A reply in HTTP/1 (RFC 9112) as llhttp reads it: no more of it than its judge needs."""

import httptools

from checks import Verdict
from checks.web.body import Body, codings_of
from checks.web.judge import Judge, shorten
from checks.wire.inbox import PeerError

HEAD_LIMIT = 65536
"""The most bytes that interim replies, the status line and the headers may have together."""
FRAMING = 8
"""How many bytes on the wire a byte of body may cost; 1-byte chunks, the dearest honest ones, cost 6."""
FIRST_BYTES = 16
LENGTHS = frozenset(map(len, (b"connection", b"content-encoding", b"content-length", b"transfer-encoding")))
"""Of the names of headers that matter: most are told apart by that, without a look at their letters."""


class Reply:
    """A reply of which the status is all that matters. `verdict` is set once, by the first thing that decides.

    httptools is told of the callbacks that a class has, and each costs: this one has two.
    """

    __slots__ = ("_first", "_judge", "_parser", "_phrase", "_status", "_wire", "head_done", "verdict")

    def __init__(self, judge: Judge) -> None:
        self.verdict: Verdict | None = None
        self.head_done = False
        self._judge = judge
        self._parser = httptools.HttpResponseParser(self)
        _allow_what_the_rules_allow(self._parser)
        self._wire = 0
        self._first = b""
        self._phrase = b""
        self._status = 0

    @property
    def wire(self) -> int:
        """How many bytes came."""
        return self._wire

    def feed(self, data: bytes) -> Verdict | None:
        """Parse more of the reply, as much as the limits allow; return the verdict once there is one."""
        if self._wire + len(data) <= HEAD_LIMIT:
            self._parse(data)
            return self.verdict
        while data and not self._finished():
            room = self._limit() - self._wire
            if room <= 0:
                self._stop_at_limit()
                break
            self._parse(data[:room])
            data = data[room:]
        return self.verdict

    def _finished(self) -> bool:
        return self.verdict is not None

    def _limit(self) -> int:
        return HEAD_LIMIT

    def _stop_at_limit(self) -> None:
        self._decide(False, f"the reply's headers are longer than {HEAD_LIMIT} bytes")

    def _parse(self, data: bytes) -> None:
        if len(self._first) < FIRST_BYTES:
            self._first += (data if self._first else data.lstrip(b"\r\n"))[:FIRST_BYTES]
        self._wire += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._upgraded()
        except httptools.HttpParserError as error:
            words = str(error).rstrip(".") or "it cannot be parsed"
            is_http = self._first.startswith(b"HTTP/")
            self._decide(False, f"malformed HTTP reply: {shorten(words)}" if is_http else not_http(self._first))

    def _upgraded(self) -> None:
        """Go on after a 101: it is judged at the end of its headers."""

    def let_go(self) -> None:
        """Part from the parser, which knows its reply: neither would be freed before the collector comes."""
        del self._parser

    def end(self) -> Verdict:
        """Judge a reply after which the server closed the connection."""
        if not self.head_done:
            if self._wire:
                self._decide(False, f"the connection closed in the middle of the headers, after {self._wire} bytes")
            else:
                self._decide(False, "the connection closed without a reply")
        assert self.verdict is not None  # noqa: S101  the end of the headers has decided, too
        return self.verdict

    def _decide(self, passed: bool, reason: str) -> None:
        if self.verdict is None:
            self.verdict = Verdict(passed, reason)

    # httptools' callbacks. One that raises would come back as a parser error: they decide instead.

    def on_status(self, phrase: bytes) -> None:
        """Take a piece of the reason phrase."""
        self._phrase += phrase

    def on_headers_complete(self) -> None:
        """Judge the status, unless it is an interim one (RFC 9110 section 15.2)."""
        if self.verdict is not None or self.head_done:
            return
        status = self._parser.get_status_code()
        if 100 <= status <= 199 and status != 101:
            self._forget_interim()
            return
        self.head_done = True
        self._status = status
        if not self._first.startswith(b"HTTP/1."):
            self._refuse_version()
            return
        self._judge_head(self._judge.status(status, self._phrase))

    def _forget_interim(self) -> None:
        self._phrase = b""

    def _refuse_version(self) -> None:
        if self._first.startswith(b"HTTP/"):
            version = self._parser.get_http_version()
            self._decide(False, f"the server answered in HTTP/{version}, which is not what it was asked in")
        else:
            self._decide(False, "not an HTTP reply")

    def _judge_head(self, verdict: Verdict) -> None:
        self.verdict = verdict


def _allow_what_the_rules_allow(parser: httptools.HttpResponseParser) -> None:
    """Let pass what llhttp calls dangerous, because proxies disagree on it, and what RFC 9112 lets a client read.

    Sections 2.2 (line ends without CR, as scripts under inetd write them), 5.2 (folded headers), 7.1.1 (spaces behind
    a chunk's size). Nobody smuggles anything past a health check.
    """
    parser.set_dangerous_leniencies(
        lenient_optional_cr_before_lf=True, lenient_headers=True, lenient_spaces_after_chunk_size=True
    )


def not_http(data: bytes) -> str:
    """Return what is said of a reply in another protocol; its first byte tells which is the likely one.

    TLS begins with an alert or a handshake record (RFC 8446 section 5.1), HTTP/2 with a length of less than 65536.
    """
    match data[:1]:
        case b"\x15" | b"\x16":
            return "not an HTTP reply: the server seems to speak TLS"
        case b"\x00":
            return "not an HTTP reply: the server seems to speak HTTP/2"
    return "not an HTTP reply"


class WholeReply(Reply):
    """A reply of which the body matters, or that is read to its end so that the connection can be used again.

    `complete`: no more is wanted; `reusable`: and the next request may follow on this connection. In HTTP/1.1 it might
    unless the server says otherwise (RFC 9112 section 9.3), but some close without a word, and the next request would
    meet a reset: the server must have said keep-alive, which it was asked to.
    """

    __slots__ = ("_body", "_chunked", "_codings", "_head_only", "_kept", "_length", "complete", "reusable")

    def __init__(self, judge: Judge, *, head_only: bool = False) -> None:
        super().__init__(judge)
        self.complete = self.reusable = False
        self._head_only = head_only
        self._codings: list[str] = []
        self._length: int | None = None
        self._chunked = False
        self._kept = False
        self._body: Body | None = None

    def end(self) -> Verdict:
        """Judge a reply after which the server closed the connection."""
        if self.head_done and self.verdict is None:
            if self._chunked:
                self._decide(False, "the connection closed in the middle of a chunked body")
            elif self._length is not None:
                self._decide(False, f"the connection closed in the middle of a body of {self._length} bytes")
            else:
                self._judge_body()  # RFC 9112 section 6.3, rule 8: the close is the body's end
        return super().end()

    def _finished(self) -> bool:
        return self.complete or (self.verdict is not None and not self.verdict.passed)

    def _limit(self) -> int:
        return HEAD_LIMIT + FRAMING * self._judge.body_wanted if self.head_done else HEAD_LIMIT

    def _stop_at_limit(self) -> None:
        if not self.head_done:
            super()._stop_at_limit()
        self.complete = True
        held = 0 if self._body is None else len(self._body.data)
        self._decide(False, f"{self._wire} bytes came, and they hold only {held} bytes of body")

    def _upgraded(self) -> None:
        self.complete = True
        self.reusable = False

    def _forget_interim(self) -> None:
        super()._forget_interim()
        self._codings = []
        self._length = None
        self._chunked = self._kept = False

    def _judge_head(self, verdict: Verdict) -> None:
        if not verdict.passed or not self._judge.body_wanted:
            self.verdict = verdict
        else:
            try:
                self._body = Body(self._codings, self._judge.body_wanted)
            except PeerError as error:
                self._decide(False, str(error))
        if self._head_only:
            self.complete = True
            self.reusable = self._kept and bool(self._parser.should_keep_alive())

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note how the body is framed and coded; other headers are not ours to judge. Trailers come here, too."""
        if len(name) not in LENGTHS or self.head_done:
            return
        match name.lower():
            case b"connection":
                self._kept = b"keep-alive" in value.lower()
            case b"content-encoding":
                self._codings += codings_of(value)
            case b"content-length":
                self._length = int(value)
            case b"transfer-encoding":
                codings = codings_of(value)
                self._chunked = codings[-1] == "chunked"
                self._codings += codings[:-1] if self._chunked else codings

    def on_body(self, data: bytes) -> None:
        """Decode a piece of the body, as much as is wanted."""
        if self.verdict is not None or self._body is None:
            return
        try:
            known = len(self._body.data)
            if self._body.is_enough_with(data) or self._has_all(known):
                self._judge_body()
                self.complete = True
        except PeerError as error:
            self._decide(False, str(error))

    def _has_all(self, known: int) -> bool:
        """Say whether all that is looked for has come of a body that only the connection's end would end.

        Scripts under inetd close without having read the request, so that a reset takes the place of that end.
        """
        wanted, body = self._judge.text_alone, self._body
        if wanted is None or body is None or self._chunked or self._length is not None or self._codings:
            return False
        return body.data.find(wanted, max(0, known - len(wanted) + 1)) >= 0

    def on_message_complete(self) -> None:
        """Judge the body, if this was not an interim reply."""
        if self.head_done and not self.complete:
            if self.verdict is None:
                self._judge_body()
            self.complete = True
            self.reusable = self._kept and bool(self._parser.should_keep_alive())

    def on_message_begin(self) -> None:
        """Take a reply that nobody asked for as a sign not to ask on this connection again."""
        if self.complete:
            self.reusable = False

    def _judge_body(self) -> None:
        if self.verdict is None and self._body is not None:
            self.verdict = self._judge.body(self._status, self._phrase, bytes(self._body.data))
