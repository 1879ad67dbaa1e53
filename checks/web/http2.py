"""One HTTP/2 connection of a client (RFC 9113): requests one after another, replies handed to a listener.

h2 does the protocol. Frames are told apart before it sees them, so that a flood of them is bounded, and so that a
GOAWAY does not take away the reply that is still on its way, which a server that shuts down in good order sends first.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from checks import Step
from checks.web.judge import shorten
from checks.wire.inbox import PeerError

FRAME_LIMIT = 16384
"""Bytes that a frame may hold: SETTINGS_MAX_FRAME_SIZE as it is when nobody asks for more."""
FRAMES_AT_MOST = 4000
"""Frames that a server may send in one probe; the longest body that is read takes 1,024 of full size."""
HEADER_BYTES = 9
SETTINGS, GOAWAY = 4, 7
CANCEL = 8
TLS_RECORDS = (0x15, 0x16)
"""What TLS begins with: an alert or a handshake (RFC 8446 section 5.1)."""
MORE = Step()

Fields = Sequence[tuple[str, str]]
Received = Sequence[tuple[bytes, bytes]]


class NotTakenError(PeerError):
    """The server took leave before it took the request, which may be sent again on a new connection."""


class Listener(Protocol):
    """Takes a reply as it comes. Its methods may raise PeerError."""

    @property
    def finished(self) -> bool:
        """Whether it needs no more of the reply."""

    def take_head(self, fields: Received) -> None:
        """Take the final response's fields; `:status` is the first."""

    def take_data(self, data: bytes) -> None:
        """Take a piece of the body."""

    def take_trailers(self, fields: Received) -> None:
        """Take the fields that follow the body."""

    def take_end(self) -> None:
        """Take note that the reply is complete; it is `finished` then."""


def prepare_http2() -> None:
    """Import what speaks HTTP/2; for a check's `prepare`."""
    import h2.connection  # noqa: F401, PLC0415  paid for only where HTTP/2 is spoken


class Session:
    """A connection's state. Every method may raise PeerError where the server breaks the protocol."""

    def __init__(self) -> None:
        import h2.config  # noqa: PLC0415  paid for only where HTTP/2 is spoken
        import h2.connection  # noqa: PLC0415
        import h2.events  # noqa: PLC0415
        import h2.exceptions  # noqa: PLC0415
        import h2.settings  # noqa: PLC0415

        self._events = h2.events
        self._error = h2.exceptions.H2Error
        # What is sent was held to the rules when the file was read.
        configuration = h2.config.H2Configuration(
            header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self._connection = h2.connection.H2Connection(configuration)
        codes = h2.settings.SettingCodes
        self._connection.local_settings = h2.settings.Settings(
            client=True,
            initial_values={codes.ENABLE_PUSH: 0, codes.MAX_HEADER_LIST_SIZE: 65536, codes.MAX_CONCURRENT_STREAMS: 0},
        )
        self._connection.initiate_connection()
        self._held = bytearray()
        self._frames = 0
        self.going_away = False
        """Whether the server takes no further requests on this connection."""

    def exchange(
        self, fields: Fields, body: bytes, listener: Listener, shown: bytes, *, reconnect: bool = False
    ) -> Generator[Step, bytes, None]:
        """Send a request and hand over its reply until the listener has finished; `shown` is for evidence."""
        connection = self._connection
        with self._allowed():
            stream = connection.get_next_available_stream_id()
            connection.send_headers(stream, fields, end_stream=not body)
            body = self._send_some(stream, body)
        step = Step(connection.data_to_send(), shown=shown, reconnect=reconnect)
        before = self._frames
        while not listener.finished:
            data = yield step
            if not data:
                broken_off = PeerError if self._frames > before or self._held else NotTakenError
                raise broken_off(self._broken_off())
            self._feed(data, stream, listener)
            if body:
                with self._allowed():
                    body = self._send_some(stream, body)
            sending = connection.data_to_send()
            step = Step(sending, shown=b"") if sending else MORE

    def leave(self) -> None:
        """Tell the server, with what is sent next, that no more is wanted of the replies that are not complete."""
        with self._allowed():
            for stream, state in list(self._connection.streams.items()):
                if not state.closed:
                    self._connection.reset_stream(stream, CANCEL)

    @contextmanager
    def _allowed(self) -> Iterator[None]:
        """Say so where the server's settings leave no room for what is to be sent."""
        try:
            yield
        except self._error as error:
            raise PeerError(f"the server leaves no room for the request: {_words(error)}") from error

    def _broken_off(self) -> str:
        if not self._frames and len(self._held) > 3 and self._held[3] != SETTINGS:
            return self._not_http2()
        where = "in the middle of the reply" if self._frames or self._held else "without a reply"
        return f"the connection closed {where}"

    def _not_http2(self) -> str:
        if self._held.startswith(b"HTTP/"):
            return "the server answered in HTTP/1, not in HTTP/2"
        if self._held[0] in TLS_RECORDS:
            return "not an HTTP/2 reply: the server seems to speak TLS"
        return "not an HTTP/2 reply"

    def _send_some(self, stream: int, body: bytes) -> bytes:
        """Send as much of a body as the server's windows allow; return the rest (RFC 9113 section 5.2)."""
        while body:
            room = min(self._connection.local_flow_control_window(stream), self._connection.max_outbound_frame_size)
            if room <= 0:
                break
            piece, body = body[:room], body[room:]
            self._connection.send_data(stream, piece, end_stream=not body)
        return body

    def _feed(self, data: bytes, stream: int, listener: Listener) -> None:
        self._held += data
        while not listener.finished:
            frame = self._next_frame()
            if frame is None:
                return
            if frame[3] == GOAWAY and len(frame) >= HEADER_BYTES + 8:
                self._take_goaway(frame[HEADER_BYTES:], stream)
                continue
            try:
                for event in self._connection.receive_data(frame):
                    self._take(event, stream, listener)
            except self._error as error:
                raise PeerError(f"malformed HTTP/2 reply: {_words(error)}") from error

    def _next_frame(self) -> bytes | None:
        held = self._held
        if len(held) < HEADER_BYTES:
            return None
        if not self._frames and (held[3] != SETTINGS or held[4] & 1):
            raise PeerError(self._not_http2())
        size = int.from_bytes(held[:3], "big")
        if size > FRAME_LIMIT:
            raise PeerError(f"malformed HTTP/2 reply: a frame of {size} bytes, {FRAME_LIMIT} are allowed")
        if len(held) < HEADER_BYTES + size:
            return None
        self._frames += 1
        if self._frames > FRAMES_AT_MOST:
            raise PeerError(f"the server sent more than {FRAMES_AT_MOST} HTTP/2 frames")
        frame = bytes(held[: HEADER_BYTES + size])
        del held[: HEADER_BYTES + size]
        return frame

    def _take_goaway(self, payload: bytes, stream: int) -> None:
        """Go on only if the reply is still to come (RFC 9113 section 6.8)."""
        self.going_away = True
        last, code = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF, int.from_bytes(payload[4:8], "big")
        if code or last < stream:
            words = f" ('{shorten(payload[8:].decode('latin-1'))}')" if payload[8:] else ""
            ended = PeerError if code else NotTakenError
            raise ended(f"the server ended the HTTP/2 connection: {code_name(code)}{words}")

    def _take(self, event: Any, stream: int, listener: Listener) -> None:
        events = self._events
        if isinstance(event, events.DataReceived) and event.flow_controlled_length:
            self._connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if getattr(event, "stream_id", None) != stream or listener.finished:
            return
        if isinstance(event, events.ResponseReceived):
            listener.take_head(event.headers)
        elif isinstance(event, events.DataReceived):
            listener.take_data(event.data)
        elif isinstance(event, events.TrailersReceived):
            listener.take_trailers(event.headers)
        elif isinstance(event, events.StreamEnded):
            listener.take_end()
        elif isinstance(event, events.StreamReset):
            raise PeerError(f"the server reset the stream: {code_name(event.error_code)}")


def _words(error: Exception) -> str:
    """Return what h2 says; of a stream that is closed or was never there it says the number alone."""
    words = str(error)
    return shorten(words) if any(map(str.isalpha, words)) else "a frame for a stream that is not open"


CODES = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)
"""RFC 9113 section 7, from 0 on."""


def code_name(code: int) -> str:
    """Return an error code's name."""
    return CODES[code] if 0 <= code < len(CODES) else f"error {int(code)}"


def status_of(fields: Received) -> int:
    """Return the status of a reply. Raise PeerError."""
    for name, value in fields:
        if name == b":status":
            if len(value) == 3 and value.isdigit():
                return int(value)
            raise PeerError(f"malformed HTTP/2 reply: status '{shorten(value.decode('latin-1'))}'")
    raise PeerError("malformed HTTP/2 reply: it has no status")
