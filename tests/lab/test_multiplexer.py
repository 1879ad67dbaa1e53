"""Connections over one line, whose ends are wired together by a socket pair here."""

import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from multiplexer import Multiplexer

PATIENCE = 60.0


def answer_with_a_digest(listener: socket.socket) -> None:
    """Read each connection to its end, then say the digest of it twice over."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # the test is over
            return
        with connection:
            digest = hashlib.sha256(read_to_the_end(connection)).hexdigest()
            connection.sendall(digest.encode() * 2)


def read_to_the_end(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(4096), b""))


@pytest.fixture
def outside() -> Iterator[Multiplexer]:
    """Yield the outer end of a line whose inner end leads to the digest server."""
    ours, theirs = socket.socketpair()
    server = socket.create_server(("127.0.0.1", 0))
    inner = Multiplexer(theirs.fileno(), lambda: socket.create_connection(server.getsockname(), timeout=PATIENCE))
    outer = Multiplexer(ours.fileno())
    threads = [
        threading.Thread(target=answer_with_a_digest, args=(server,), daemon=True),
        threading.Thread(target=inner.serve),
        threading.Thread(target=outer.serve),
    ]
    inner.hello()
    outer.wait_for_hello()
    for thread in threads:
        thread.start()
    yield outer
    for end in (ours, theirs):
        end.shutdown(socket.SHUT_RDWR)
    for thread in threads[1:]:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    for end in (ours, theirs, server):
        end.close()


def ask(outside: Multiplexer, question: bytes) -> bytes:
    client, accepted = socket.socketpair()
    with client:
        client.settimeout(PATIENCE)
        outside.carry(accepted)
        client.sendall(question)
        client.shutdown(socket.SHUT_WR)
        return read_to_the_end(client)


def test_what_goes_in_comes_out_whole_at_the_other_end_and_so_does_the_answer(outside: Multiplexer) -> None:
    question = os.urandom(300_000)
    assert ask(outside, question) == hashlib.sha256(question).hexdigest().encode() * 2


def test_connections_at_once_do_not_mix(outside: Multiplexer) -> None:
    questions = [os.urandom(5000) for _ in range(8)]
    with ThreadPoolExecutor(len(questions)) as clients:
        answers = list(clients.map(lambda question: ask(outside, question), questions))
    assert answers == [hashlib.sha256(question).hexdigest().encode() * 2 for question in questions]


def test_a_connection_that_leads_nowhere_ends_and_the_line_goes_on() -> None:
    ours, theirs = socket.socketpair()

    def refuse() -> socket.socket:
        raise ConnectionRefusedError

    with ours, theirs:
        outer = Multiplexer(ours.fileno())
        for end in (outer, Multiplexer(theirs.fileno(), refuse)):
            threading.Thread(target=end.serve, daemon=True).start()
        assert [ask(outer, b""), ask(outer, b"")] == [b"", b""]
        for end in (ours, theirs):
            end.shutdown(socket.SHUT_RDWR)
