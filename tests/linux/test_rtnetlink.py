"""Changes against a kernel that is late, forgetful or refuses; it is the other end of a socket pair."""

import contextlib
import errno
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.linux.links import Links
from healthlb.linux.rtnetlink import Change, Rtnetlink, acknowledgements

HEADER = struct.Struct("=IHHII")
PUT, WITHDRAW = 20, 21


def change(name: int) -> Change:
    """Return a change whose messages end with a number that names it."""
    bodies = (HEADER.pack(20, kind, 0x400, 0, 0) + struct.pack("=I", name) for kind in (PUT, WITHDRAW))
    return Change(f"address {name}", *bodies)


class Kernel:
    """Answers each message with the errno that `answer` gives for its type and name, None being silence."""

    def __init__(self, answer: Callable[[int, int], int | None]) -> None:
        self.answer = answer
        self.seen: list[tuple[int, int]] = []
        self.opened = 0
        self._threads: list[threading.Thread] = []

    def open(self) -> socket.socket:
        """Return our end of a fresh pair."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.opened += 1
        thread = threading.Thread(target=self._serve, args=(theirs,))
        thread.start()
        self._threads.append(thread)
        return ours

    def join(self) -> None:
        """Wait until every pair that was opened was closed again."""
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(ConnectionError):
            while data := sock.recv(1 << 16):
                for start in range(0, len(data), 20):
                    _, kind, flags, sequence, _ = HEADER.unpack_from(data, start)
                    (name,) = struct.unpack_from("=I", data, start + 16)
                    assert flags == 0x400 | 0x5  # as it was, a request, to be acknowledged
                    self.seen.append((kind, name))
                    number = self.answer(kind, name)
                    if number is not None:
                        sock.send(HEADER.pack(20, 2, 0, sequence, 0) + struct.pack("=i", -number))


@contextlib.contextmanager
def talking(answer: Callable[[int, int], int | None], deadline: float = 60.0) -> Iterator[tuple[Rtnetlink, Kernel]]:
    kernel = Kernel(answer)
    rtnetlink = Rtnetlink(deadline=deadline, opener=kernel.open)
    yield rtnetlink, kernel
    rtnetlink.close()
    kernel.join()


@pytest.mark.parametrize("count", [0, 1, 64, 65, 200])
def test_changes_are_put_in_order_and_withdrawn_in_the_opposite_one(count: int) -> None:
    with talking(lambda *_: 0) as (rtnetlink, kernel):
        changes = [change(number) for number in range(count)]
        assert rtnetlink.put(changes) == rtnetlink.withdraw(changes) == ()
    assert kernel.seen == [(PUT, each) for each in range(count)] + [(WITHDRAW, each) for each in range(count)][::-1]


def test_what_is_there_or_gone_already_is_no_fault() -> None:
    for number in (errno.EADDRNOTAVAIL, errno.ESRCH, errno.ENODEV, errno.ENOENT):
        with talking(lambda kind, _, number=number: errno.EEXIST if kind == PUT else number) as (rtnetlink, _):
            assert rtnetlink.put([change(1)]) == rtnetlink.withdraw([change(1)]) == ()


def test_a_refusal_is_told_with_its_reason_and_holds_up_nothing() -> None:
    refusals = {(PUT, 3): errno.EPERM, (WITHDRAW, 2): errno.EBUSY, (WITHDRAW, 1): errno.EEXIST}
    with talking(lambda kind, name: refusals.get((kind, name), 0)) as (rtnetlink, kernel):
        changes = [change(number) for number in range(5)]
        assert rtnetlink.put(changes) == ("the kernel refuses address 3: Operation not permitted",)
        assert rtnetlink.withdraw(changes) == (
            "the kernel keeps address 1: File exists",
            "the kernel keeps address 2: Device or resource busy",
        )
    assert len(kernel.seen) == 10


def test_a_kernel_that_is_silent_is_told_after_the_deadline_and_asked_anew_over_another_socket() -> None:
    silent = [True]
    with talking(lambda _, name: None if silent[0] and name else 0, deadline=0.05) as (rtnetlink, kernel):
        changes = [change(number) for number in range(3)]
        assert rtnetlink.put(changes) == tuple(
            f"the kernel refuses address {number}: no answer within 0.05 s" for number in (1, 2)
        )
    silent[0] = False
    with talking(lambda *_: 0) as (rtnetlink, kernel):
        assert rtnetlink.put(changes) == ()
    assert kernel.opened == 1


def test_without_a_socket_every_change_is_told() -> None:
    def refuse() -> socket.socket:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    rtnetlink = Rtnetlink(opener=refuse)
    assert rtnetlink.put([change(1)]) == ("the kernel refuses address 1: Operation not permitted",)
    rtnetlink.close()


@given(data=st.binary(max_size=200))
def test_any_bytes_are_an_answer(data: bytes) -> None:
    assert isinstance(acknowledgements(data), list)


lengths = st.integers(0, 60)


@given(
    messages=st.lists(
        st.tuples(
            lengths, st.integers(15, 23), st.integers(0, 3), st.binary(max_size=60).map(lambda data: b"\0" + data)
        )
    )
)
def test_any_bytes_are_news_of_interfaces(messages: list[tuple[int, int, int, bytes]]) -> None:
    links = Links.__new__(Links)
    links.known, links._seen, links._buffer = {}, {}, bytearray(1 << 16)
    datagram = b"".join(
        HEADER.pack(length or 16 + len(body), kind, flags, 0, 0) + body + bytes(-len(body) % 4)
        for length, kind, flags, body in messages
    )
    links._buffer[: len(datagram)] = datagram
    links._take(len(datagram))
    assert links._tell() <= links.known.keys()
