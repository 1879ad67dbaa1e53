"""The checks of UDP and SIP against programs that echo, stay silent, lose datagrams or are not there."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from checks.sip import Sip
from checks.udp import Udp
from ports import free_port
from probing import LOOPBACK, probe
from waiting import eventually

Answer = Callable[[int, bytes], bytes | None]
"""Takes the number of a datagram, from 0, and what it holds; returns what goes back."""


@contextmanager
def answering(answer: Answer) -> Iterator[int]:
    """Answer datagrams in a thread; yield the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        port = sock.getsockname()[1]

        def serve() -> None:
            number = 0
            while True:
                data, peer = sock.recvfrom(65535)
                if data == b"stop":
                    return
                reply = answer(number, data)
                number += 1
                if reply is not None:
                    sock.sendto(reply, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            sock.sendto(b"stop", (LOOPBACK, port))
            thread.join()


def test_an_echo_is_a_reply_as_expected() -> None:
    with answering(lambda _, data: data) as port:
        assert probe(Udp(send="ping", expect="ping"), port).reason == "a reply of 4 bytes"
        assert probe(Udp(send_hex="00 ff", expect_hex="00 fX", max_reply_length=2), port).passed
        wrong = probe(Udp(send="ping", expect="pong"), port)
        assert (wrong.passed, wrong.reason) == (False, "a reply of 4 bytes that does not contain 'pong': 'ping'")


def test_an_empty_datagram_is_a_reply() -> None:
    with answering(lambda *_: b"") as port:
        assert probe(Udp(reply="required"), port).reason == "a reply of 0 bytes"


def test_silence_passes_where_a_reply_is_only_allowed_and_times_out_where_one_is_required() -> None:
    with answering(lambda *_: None) as port:
        quiet = probe(Udp(wait=0.05, retries=1), port)
        assert (quiet.passed, quiet.reason) == (True, "no reply and no port unreachable within 100ms")
        strict = Udp(reply="required", wait=0.05, retries=1)
        # One at whose end the machine was busy elsewhere is void, and no word about the server.
        missing = eventually(lambda: probe(strict, port, seconds=0.3), lambda result: result.sent)
        assert not missing.passed
        assert missing.reason.startswith("timed out after ")


def test_a_datagram_that_was_lost_is_sent_again() -> None:
    with answering(lambda number, data: data if number >= 2 else None) as port:
        assert probe(Udp(reply="required", wait=0.05, retries=2), port).passed


@pytest.mark.parametrize("check", [Udp(), Udp(reply="required"), Sip()], ids=["allowed", "required", "sip"])
def test_a_port_where_nobody_listens_fails_at_once(check: Udp | Sip) -> None:
    result = probe(check, free_port(socket.SOCK_DGRAM))
    assert not result.passed
    assert result.sent
    assert "refused" in result.reason or "unreachable" in result.reason


def test_options_that_were_lost_are_sent_again_and_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checks.sip.T1_SECONDS", 0.05)
    heard = []

    def late(number: int, data: bytes) -> bytes | None:
        heard.append(data)
        return data.replace(data.split(b"\r\n")[0], b"SIP/2.0 200 OK") if number >= 2 else None

    with answering(late) as port:
        assert probe(Sip(), port).reason == "200 OK"
    assert heard == heard[:1] * 3
