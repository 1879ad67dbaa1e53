"""What gRPC's health check asks, and what its replies mean, from bytes alone."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import Target, Tls, Verdict
from checks.engine.dialogue import Dialogue
from checks.grpc import Grpc
from tests.checks.http2_server import Server, answering, held

HEAD = [(":status", "200"), ("content-type", "application/grpc")]
OK = [("grpc-status", "0")]
SERVING = b"\0\0\0\0\2\x08\1"


def saying(message: bytes, trailers: list[tuple[str, str]] | None = None) -> Callable[[Server, int], None]:
    return lambda server, stream: server.say(stream, HEAD, message, OK if trailers is None else trailers)


def only_trailers(*fields: tuple[str, str]) -> Callable[[Server, int], None]:
    return lambda server, stream: server.say(stream, [*HEAD, *fields])


def test_the_service_is_asked_for_by_its_name() -> None:
    server = Server(saying(SERVING))
    check = Grpc(service="shop.v1.Cart", metadata=(("x-tenant", "a"),))
    assert held(check, server) == Verdict(True, "service 'shop.v1.Cart' is SERVING")
    assert server.asked == [
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/grpc.health.v1.Health/Check"),
            (":authority", "192.0.2.1:80"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "healthlb"),
            ("x-tenant", "a"),
        ]
    ]
    assert server.bodies[1] == b"\0\0\0\0\x0e\x0a\x0cshop.v1.Cart"


def test_the_server_as_a_whole_is_asked_for_with_an_empty_message() -> None:
    server = Server(saying(SERVING))
    assert held(Grpc(authority="cart.example"), server) == Verdict(True, "the server is SERVING")
    assert server.bodies[1] == bytes(5)
    assert (":authority", "cart.example") in server.asked[0]


def test_a_long_name_has_a_length_of_two_bytes() -> None:
    server = Server(saying(SERVING))
    held(Grpc(service="x" * 200), server)
    assert server.bodies[1] == b"\0\0\0\0\xcb\x0a\xc8\x01" + b"x" * 200


def test_over_tls_h2_is_offered() -> None:
    assert Grpc(tls=Tls()).tls == Tls(alpn=("h2",))
    server = Server(saying(SERVING))
    held(Grpc(tls=Tls()), server)
    assert (":scheme", "https") in server.asked[0]


@pytest.mark.parametrize("piece", [1, 1 << 20])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (saying(b"\0\0\0\0\2\x08\2"), "the server is NOT_SERVING"),
        (saying(b"\0\0\0\0\2\x08\3"), "the server is SERVICE_UNKNOWN"),
        (saying(b"\0\0\0\0\0"), "the server is UNKNOWN"),
        (saying(b"\0\0\0\0\2\x08\x63"), "the server is in unknown status 99"),
        (saying(b"\1\0\0\0\2\x08\1"), "malformed gRPC reply: it is compressed, which was not asked for"),
        (saying(b"\0\0\0\0\3\x08\1"), "malformed gRPC reply: it is not one whole message"),
        (saying(b""), "malformed gRPC reply: it is not one whole message"),
        (saying(b"\0\0\0\0\1\x08"), "malformed gRPC reply: it is no HealthCheckResponse"),
        (saying(b"\0\0\0\0\2\x0f\1"), "malformed gRPC reply: it is no HealthCheckResponse"),
        (saying(b"x" * 5000), "the reply is longer than 4096 bytes"),
        (saying(SERVING, [("x", "y")]), "the gRPC reply ended without a grpc-status"),
        (saying(SERVING, [("grpc-status", "no")]), "malformed gRPC reply: grpc-status 'no'"),
        (
            only_trailers(("grpc-status", "12"), ("grpc-message", "nope")),
            "the server has no health service, grpc.health.v1.Health (UNIMPLEMENTED)",
        ),
        (only_trailers(("grpc-status", "5")), "the server does not know itself (NOT_FOUND)"),
        (
            only_trailers(("grpc-status", "14"), ("grpc-message", "shutting%20down%1B[2J")),
            r"the health service is not available (UNAVAILABLE): 'shutting down\x1b[2J'",
        ),
        (only_trailers(("grpc-status", "16")), "the health service answered UNAUTHENTICATED"),
        (only_trailers(("grpc-status", "77")), "the health service answered code 77"),
        (answering(404), "no gRPC: the server answered with status 404"),
        (
            answering(200, b"<html>", ("content-type", "text/html")),
            "no gRPC: the server answered with content 'text/html'",
        ),
    ],
)
def test_what_is_not_serving_fails_and_says_why(answer: Callable[[Server, int], None], reason: str, piece: int) -> None:
    assert held(Grpc(), Server(answer), piece) == Verdict(False, reason)


def test_a_service_that_is_not_known_is_named() -> None:
    verdict = held(Grpc(service="a.B"), Server(only_trailers(("grpc-status", "5"))))
    assert verdict == Verdict(False, "the server does not know service 'a.B' (NOT_FOUND)")


def test_fields_that_are_not_known_are_passed_over() -> None:
    message = b"\x10\5" + b"\x1a\2xy" + b"\x21" + bytes(8) + b"\x2d" + bytes(4) + b"\x08\1"
    assert held(Grpc(), Server(saying(b"\0\0\0\0" + bytes([len(message)]) + message))).passed


@given(st.binary(max_size=30), st.booleans())
def test_whatever_message_comes_there_is_a_verdict(message: bytes, framed: bool) -> None:
    verdict = held(Grpc(), Server(saying(bytes(4) + bytes([len(message)]) + message if framed else message)))
    assert verdict.reason.isprintable()


@given(st.lists(st.binary(max_size=60), max_size=5), st.booleans())
def test_whatever_bytes_come_there_is_a_verdict(play: Callable[..., Verdict], pieces: list[bytes], begun: bool) -> None:
    verdict = play(Grpc(), [b"\0\0\0\4\0\0\0\0\0" if begun else b"", *pieces])
    assert not verdict.passed
    assert verdict.reason.isprintable()


def test_secret_metadata_is_sent_and_not_shown() -> None:
    dialogue = Dialogue(Grpc(metadata=(("authorization", "Bearer hunter2"),)).converse(Target("192.0.2.1", 80)))
    dialogue.begin()
    assert b"authorization: ***" in dialogue.sent
    assert b"hunter2" not in dialogue.sent


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        ({"metadata": (("x-a", "b"),), "tls": Tls()}, []),
        (
            {"metadata": (("X-A", "b"),)},
            [("metadata", "'X-A' is no name of metadata: small letters, digits and _ . -")],
        ),
        ({"metadata": (("grpc-timeout", "1S"),)}, [("metadata", "grpc-timeout is gRPC's own")]),
        ({"metadata": (("a-bin", "b"),)}, [("metadata", "a-bin would be binary, which cannot be sent here")]),
        (
            {"tls": Tls(alpn=("http/1.1",))},
            [("tls", "alpn: gRPC is spoken over h2, so http/1.1 must not be offered")],
        ),
    ],
)
def test_options_that_do_not_go_together_are_named(options: dict[str, Any], faults: list[tuple[str, str]]) -> None:
    assert list(Grpc(**options).faults()) == faults


def test_what_speaks_http_2_is_imported_beforehand() -> None:
    assert Grpc().prepare() is None
