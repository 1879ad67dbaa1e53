"""An HTTP/2 server in memory, and a conversation held with it, byte by byte as both sides say them."""

from collections.abc import Callable
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

from checks import Check, Target, Verdict
from checks.engine.dialogue import Dialogue

TARGET = Target("192.0.2.1", 80)
Fields = list[tuple[str, str]]


@dataclass
class Server:
    """What the server was asked, and how it answers each request."""

    answer: Callable[["Server", int], None]
    asked: list[Fields] = field(default_factory=list)
    bodies: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connection = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="latin-1", validate_outbound_headers=False)
        )
        self.connection.initiate_connection()

    def hear(self, data: bytes) -> bytes:
        """Take what the client said, and return what there is to say."""
        for event in self.connection.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self.asked.append([(str(name), str(value)) for name, value in event.headers])
                self.bodies[event.stream_id] = b""
            elif isinstance(event, h2.events.DataReceived):
                self.bodies[event.stream_id] += event.data
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.answer(self, event.stream_id)
        return self.connection.data_to_send()

    def say(self, stream: int, fields: Fields, body: bytes = b"", trailers: Fields | None = None) -> None:
        """Answer a request."""
        ended = not body and trailers is None
        self.connection.send_headers(stream, fields, end_stream=ended)
        while body:
            piece, body = body[:16384], body[16384:]
            self.connection.send_data(stream, piece, end_stream=not body and trailers is None)
        if trailers is not None:
            self.connection.send_headers(stream, trailers, end_stream=True)


def answering(status: int, body: bytes = b"", *more: tuple[str, str]) -> Callable[[Server, int], None]:
    """Return what answers every request with this status, body and fields."""
    return lambda server, stream: server.say(stream, [(":status", str(status)), *more], body)


def held(check: Check, server: Server, piece: int = 1 << 20) -> Verdict:
    """Hold the conversation until its verdict, in pieces of at most so many bytes."""
    dialogue = Dialogue(check.converse(TARGET))
    said = server.hear(dialogue.begin())
    for _ in range(100):
        pieces, said = [said[at : at + piece] for at in range(0, len(said), piece)], b""
        for each in pieces:
            heard = dialogue.feed(each)
            if heard and dialogue.verdict is None:
                said += server.hear(heard)
        if dialogue.verdict is None and not said:
            dialogue.feed(b"", ended=True)
        if dialogue.verdict is not None:
            return dialogue.verdict
    raise AssertionError("no end of it")
