"""Netlink against a kernel that is late, forgetful, garbled or changing; it is the other end of a socket pair."""

import contextlib
import errno
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthlb.linux.netlink import (
    AnswersLostError,
    GenericNetlink,
    InterruptedDumpError,
    MalformedError,
    RefusedError,
    UnknownFamilyError,
    attributes,
)

FAMILY = 0x1C
CONTROLLER = 0x10
HEADER = struct.Struct("=IHHII")


class Kernel:
    """Answers each datagram with those that `script` makes of its requests, each a (family, sequence, command)."""

    def __init__(self, script: Callable[[list[tuple[int, int, int]]], list[bytes]]) -> None:
        self.script = script
        self.family = FAMILY
        self.looked_up = 0
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
        with sock:
            while data := self._received(sock):
                requests = []
                while data:
                    length, family, _, sequence, _ = HEADER.unpack_from(data)
                    requests.append((family, sequence, data[16]))
                    data = data[length:]
                # Our end may be gone already when it wanted no more.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    for answer in self._controller(requests) or self.script(requests):
                        sock.send(answer)

    @staticmethod
    def _received(sock: socket.socket) -> bytes:
        try:
            return sock.recv(1 << 20)
        except ConnectionResetError:
            return b""

    def _controller(self, requests: list[tuple[int, int, int]]) -> list[bytes]:
        family, sequence, _ = requests[0]
        if family != CONTROLLER:
            return []
        self.looked_up += 1
        if not self.family:
            return [error(sequence, errno.ENOENT)]
        body = struct.pack("=BBH HHHxx", 1, 2, 0, 6, 1, self.family)
        return [message(CONTROLLER, sequence, body) + error(sequence, 0)]


def message(kind: int, sequence: int, body: bytes, flags: int = 0) -> bytes:
    return HEADER.pack(16 + len(body), kind, flags, sequence, 0) + body


def error(sequence: int, number: int) -> bytes:
    return message(2, sequence, struct.pack("=i", -number) + bytes(16))


def done(sequence: int, number: int = 0, flags: int = 0) -> bytes:
    return message(3, sequence, struct.pack("=i", -number), flags)


def row(sequence: int, body: bytes = b"rows", flags: int = 2) -> bytes:
    return message(FAMILY, sequence, bytes(4) + body, flags)


def silent(requests: list[tuple[int, int, int]]) -> list[bytes]:
    return []


def obliging(requests: list[tuple[int, int, int]]) -> list[bytes]:
    return [error(requests[-1][1], 0)]


@pytest.fixture
def connect() -> Iterator[Callable[[Kernel], GenericNetlink]]:
    made: list[tuple[GenericNetlink, Kernel]] = []

    def connect(kernel: Kernel, loader: Callable[[], None] | None = None, deadline: float = 30.0) -> GenericNetlink:
        link = GenericNetlink("IPVS", deadline=deadline, opener=kernel.open, loader=loader)
        made.append((link, kernel))
        return link

    yield connect
    for link, kernel in made:
        link.close()
        kernel.join()


class TestBatch:
    def test_only_the_refused_come_back_by_their_position(self, connect: Callable[..., GenericNetlink]) -> None:
        kernel = Kernel(lambda requests: [error(requests[1][1], errno.EEXIST), error(requests[-1][1], 0)])
        assert connect(kernel).batch([(1, b"")] * 3) == {1: errno.EEXIST}

    def test_positions_go_on_over_the_batches(self, connect: Callable[..., GenericNetlink]) -> None:
        sizes = []

        def script(requests: list[tuple[int, int, int]]) -> list[bytes]:
            sizes.append(len(requests))
            return [error(requests[0][1], errno.ESRCH), error(requests[-1][1], 0)]

        refused = connect(Kernel(script)).batch([(1, b"")] * 1000)
        assert sum(sizes) == 1000
        assert len(sizes) > 2
        assert refused == dict.fromkeys((sum(sizes[:place]) for place in range(len(sizes))), errno.ESRCH)

    def test_no_answer_in_time_leaves_the_fate_of_all_unknown(self, connect: Callable[..., GenericNetlink]) -> None:
        link = connect(Kernel(silent), deadline=0.05)
        with pytest.raises(AnswersLostError, match=r"^the kernel did not answer within 0\.05 s$") as raised:
            link.batch([(1, b"")] * 3)
        assert raised.value.refused == {0: 0, 1: 0, 2: 0}

    def test_an_answer_settles_the_fate_of_those_before_it(self, connect: Callable[..., GenericNetlink]) -> None:
        link = connect(Kernel(lambda requests: [error(requests[1][1], errno.EEXIST)]), deadline=0.2)
        with pytest.raises(AnswersLostError) as raised:
            link.batch([(1, b"")] * 4)
        assert raised.value.refused == {1: errno.EEXIST, 2: 0, 3: 0}

    def test_nothing_is_sent_after_answers_were_lost(self, connect: Callable[..., GenericNetlink]) -> None:
        seen: list[int] = []

        def script(requests: list[tuple[int, int, int]]) -> list[bytes]:
            seen.append(len(requests))
            return [error(requests[-1][1], 0)] if len(seen) == 1 else []

        link = connect(Kernel(script), deadline=0.2)
        with pytest.raises(AnswersLostError) as raised:
            link.batch([(1, b"")] * 1000)
        assert len(seen) == 2
        assert raised.value.refused == dict.fromkeys(range(seen[0], 1000), 0)

    def test_a_late_answer_never_meets_a_later_request(self, connect: Callable[..., GenericNetlink]) -> None:
        late: list[bytes] = []

        def script(requests: list[tuple[int, int, int]]) -> list[bytes]:
            late.append(error(requests[-1][1], errno.EEXIST))
            return []

        kernel = Kernel(script)
        link = connect(kernel, deadline=0.2)
        with pytest.raises(AnswersLostError):
            link.batch([(1, b"")])
        kernel.script = lambda requests: [*late, error(requests[-1][1], 0)]
        assert link.batch([(1, b"")]) == {}
        assert kernel.opened == 2

    def test_answers_to_other_requests_are_passed_over(self, connect: Callable[..., GenericNetlink]) -> None:
        kernel = Kernel(lambda requests: [error(requests[0][1] + 77, errno.EEXIST), error(requests[0][1], 0)])
        assert connect(kernel).batch([(1, b"")]) == {}

    def test_a_family_under_another_number_is_found_and_asked_again(
        self, connect: Callable[..., GenericNetlink]
    ) -> None:
        def script(requests: list[tuple[int, int, int]]) -> list[bytes]:
            if requests[0][0] == kernel.family:
                return [error(requests[-1][1], 0)]
            return [error(sequence, errno.ENOENT) for _, sequence, _ in requests]

        kernel = Kernel(script)
        link = connect(kernel)
        assert link.batch([(1, b"")] * 2) == {}
        kernel.family = FAMILY + 1
        assert link.batch([(1, b"")] * 2) == {}
        assert kernel.looked_up == 2

    def test_refusals_that_only_look_like_a_lost_family_stand(self, connect: Callable[..., GenericNetlink]) -> None:
        kernel = Kernel(lambda requests: [error(sequence, errno.ENOENT) for _, sequence, _ in requests])
        assert connect(kernel).batch([(1, b"")] * 2) == {0: errno.ENOENT, 1: errno.ENOENT}

    def test_a_missing_family_is_loaded(self, connect: Callable[..., GenericNetlink]) -> None:
        kernel = Kernel(obliging)
        kernel.family = 0

        def load() -> None:
            kernel.family = FAMILY

        assert connect(kernel, load).batch([(1, b"")]) == {}

    def test_a_family_that_cannot_be_loaded_is_an_error(self, connect: Callable[..., GenericNetlink]) -> None:
        kernel = Kernel(obliging)
        kernel.family = 0
        with pytest.raises(UnknownFamilyError, match="'IPVS'"):
            connect(kernel, lambda: None).batch([(1, b"")])

    @pytest.mark.parametrize(
        ("answer", "text"),
        [
            (b"short", "ended within its header"),
            (HEADER.pack(400, 2, 0, 1, 0), "claims 400 bytes where 16 are left"),
            (HEADER.pack(3, 2, 0, 1, 0), "claims 3 bytes where 16 are left"),
            (HEADER.pack(16, FAMILY, 0, 1, 0), "claims 16 bytes where 16 are left"),
            (message(4, 0, b""), "says that data was lost"),
            (bytes(70000), "an answer of 70000 bytes was cut off"),
        ],
    )
    def test_an_unreadable_answer_is_a_lost_one(
        self, connect: Callable[..., GenericNetlink], answer: bytes, text: str
    ) -> None:
        with pytest.raises(AnswersLostError, match=text):
            connect(Kernel(lambda _: [answer]), deadline=1.0).batch([(1, b"")])

    def test_an_error_without_its_number_is_a_lost_answer(self, connect: Callable[..., GenericNetlink]) -> None:
        kernel = Kernel(lambda requests: [message(2, requests[0][1], b"")])
        with pytest.raises(AnswersLostError, match="lacks its error number"):
            connect(kernel).batch([(1, b"")])


class TestDump:
    def test_rows_come_in_order_until_the_dump_is_done(self, connect: Callable[..., GenericNetlink]) -> None:
        def script(requests: list[tuple[int, int, int]]) -> list[bytes]:
            sequence = requests[0][1]
            return [row(sequence, b"1...") + row(sequence, b"2..."), row(sequence, b"3..."), done(sequence)]

        assert [bytes(body) for body in connect(Kernel(script)).dump((4, b""))] == [b"1...", b"2...", b"3..."]

    def test_a_dump_that_stops_half_way_is_an_error(self, connect: Callable[..., GenericNetlink]) -> None:
        link = connect(Kernel(lambda requests: [row(requests[0][1])]), deadline=0.2)
        with pytest.raises(AnswersLostError, match="did not answer"):
            list(link.dump((4, b"")))

    def test_a_dump_that_the_kernel_breaks_off_is_an_error(self, connect: Callable[..., GenericNetlink]) -> None:
        link = connect(Kernel(lambda requests: [row(requests[0][1]), done(requests[0][1], errno.ENOMEM)]))
        with pytest.raises(RefusedError) as raised:
            list(link.dump((4, b"")))
        assert raised.value.errno == errno.ENOMEM

    @pytest.mark.parametrize("marked", ["row", "end"])
    def test_a_dump_of_what_changed_meanwhile_is_an_error(
        self, connect: Callable[..., GenericNetlink], marked: str
    ) -> None:
        def script(requests: list[tuple[int, int, int]]) -> list[bytes]:
            sequence = requests[0][1]
            return [row(sequence, flags=0x12 if marked == "row" else 2), done(sequence, flags=0x10 * (marked == "end"))]

        with pytest.raises(InterruptedDumpError):
            list(connect(Kernel(script)).dump((4, b"")))

    def test_a_dump_that_is_left_early_costs_its_socket(self, connect: Callable[..., GenericNetlink]) -> None:
        kernel = Kernel(lambda requests: [row(requests[0][1]), row(requests[0][1]), done(requests[0][1])])
        link = connect(kernel)
        dump = link.dump((4, b""))
        next(dump)
        dump.close()  # type: ignore[attr-defined]
        assert len(list(link.dump((4, b"")))) == 2
        assert kernel.opened == 2

    def test_a_dump_of_a_family_under_another_number_is_asked_again(
        self, connect: Callable[..., GenericNetlink]
    ) -> None:
        def script(requests: list[tuple[int, int, int]]) -> list[bytes]:
            family, sequence, _ = requests[0]
            return [row(sequence), done(sequence)] if family == kernel.family else [error(sequence, errno.ENOENT)]

        kernel = Kernel(script)
        link = connect(kernel)
        assert len(list(link.dump((4, b"")))) == 1
        kernel.family = FAMILY + 1
        assert len(list(link.dump((4, b"")))) == 1


class TestAsk:
    def test_the_answer_precedes_the_acknowledgement(self, connect: Callable[..., GenericNetlink]) -> None:
        kernel = Kernel(lambda requests: [row(requests[0][1], flags=0), error(requests[0][1], 0)])
        assert connect(kernel).ask((13, b"")) == [b"rows"]

    def test_a_refusal_is_raised_with_its_number(self, connect: Callable[..., GenericNetlink]) -> None:
        with pytest.raises(RefusedError) as raised:
            connect(Kernel(lambda requests: [error(requests[0][1], errno.EPERM)])).ask((13, b""))
        assert raised.value.errno == errno.EPERM


@given(st.binary(max_size=64))
def test_attributes_never_leave_the_message_and_never_stand_still(data: bytes) -> None:
    place = 0
    try:
        for _, start, end in attributes(memoryview(data), 0, len(data)):
            assert place < start <= end <= len(data)
            place = start
    except MalformedError:
        return


@given(st.lists(st.tuples(st.integers(1, 0x3FFF), st.binary(max_size=9))))
def test_well_formed_attributes_come_back_as_they_were_put(found: list[tuple[int, bytes]]) -> None:
    data = b"".join(
        struct.pack("=HH", 4 + len(value), kind | 0x8000) + value + bytes(-len(value) % 4) for kind, value in found
    )
    read = [(kind, data[start:end]) for kind, start, end in attributes(memoryview(data), 0, len(data))]
    assert read == found
