"""Generic netlink on a plain socket: batches, dumps, and a deadline on everything (Linux include/uapi/linux/netlink.h).

A request is a command number and its packed attributes. The kernel answers while the request is being sent, so an
answer that is not there when it is asked for is rare: receiving is tried first and waited for second.
"""

import contextlib
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence

Request = tuple[int, bytes]

NETLINK_GENERIC = 16
SOL_NETLINK = 270
NETLINK_CAP_ACK = 10
SO_SNDBUFFORCE = 32
SO_RCVBUFFORCE = 33

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP = 0x300

NLMSG_NOOP = 1
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLMSG_OVERRUN = 4

GENL_ID_CTRL = 0x10
CTRL_CMD_GETFAMILY = 3
CTRL_ATTR_FAMILY_ID = 1
CTRL_ATTR_FAMILY_NAME = 2

# struct nlmsghdr (length, type, flags, sequence, port) and struct genlmsghdr (command, version, reserved).
HEADER = struct.Struct("=IHHII")
HEADERS = struct.Struct("=IHHIIBBH")
ERRNO = struct.Struct("=i")
ATTRIBUTE = struct.Struct("=HH")
FAMILY_ID = struct.Struct("=H")

SOCKET_BUFFER = 4 << 20
RECEIVE_BUFFER = 1 << 16
LAST_SEQUENCE = 0xFFFFFFFF
BATCH = 400
# No request of ours is longer; a batch must fit the send buffer.
REQUEST_SIZE = 512
# What one refusal takes of the receive buffer, with its socket buffer's own overhead: about 800 bytes, taken twice
# over and more. A batch is cut so that all of it can be refused without one answer being dropped.
ANSWER_SIZE = 2048


class NetlinkError(Exception):
    """Netlink did not do what it was asked; the text is a clause that can follow a colon."""


class UnknownFamilyError(NetlinkError):
    """The kernel has no such family, even after it was asked to load it."""


class RefusedError(NetlinkError):
    """The kernel refused a single request with `errno`."""

    def __init__(self, number: int) -> None:
        super().__init__(os.strerror(number))
        self.errno = number


class AnswersLostError(NetlinkError):
    """Answers were late, dropped or unreadable.

    For a batch, `refused` maps the position of each request that was refused to its errno, and of each one whose
    fate is unknown to 0.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.refused: dict[int, int] = {}


class MalformedError(NetlinkError):
    """A message whose lengths contradict each other."""


class InterruptedDumpError(NetlinkError):
    """What was being dumped changed meanwhile (NLM_F_DUMP_INTR): dump again."""


def open_socket() -> socket.socket:
    """Return a generic netlink socket with roomy buffers; raise OSError."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_GENERIC)
    try:
        sock.bind((0, 0))
        # A refusal then quotes only the header of its request instead of all of it.
        sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
    except OSError:
        sock.close()
        raise
    for force, plain in ((SO_SNDBUFFORCE, socket.SO_SNDBUF), (SO_RCVBUFFORCE, socket.SO_RCVBUF)):
        try:
            sock.setsockopt(socket.SOL_SOCKET, force, SOCKET_BUFFER)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, plain, SOCKET_BUFFER)
    return sock


def attributes(message: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (type, start, end) of each attribute's value between two offsets; raise MalformedError.

    The two top bits of a type are flags (NLA_F_NESTED, NLA_F_NET_BYTEORDER) and are left out.
    """
    while start < end:
        if end - start < ATTRIBUTE.size:
            raise MalformedError(f"{end - start} stray bytes where an attribute should begin")
        length, kind = ATTRIBUTE.unpack_from(message, start)
        if not ATTRIBUTE.size <= length <= end - start:
            raise MalformedError(f"an attribute of {length} bytes where {end - start} are left")
        yield kind & 0x3FFF, start + ATTRIBUTE.size, start + length
        start += (length + 3) & ~3


class GenericNetlink:
    """One socket to one generic netlink family, whose number is looked up again when the kernel forgets it.

    `deadline` is in seconds, for each batch and each dump; `loader` is called when the kernel could not load the
    family by itself. After a request that missed it the socket is replaced,
    so that a late answer can never be taken for that of a later request.
    """

    def __init__(
        self,
        family: str,
        *,
        deadline: float = 5.0,
        loader: Callable[[], None] | None = None,
        opener: Callable[[], socket.socket] = open_socket,
    ) -> None:
        self._family = family
        self._loader = loader
        self._deadline = deadline
        self._opener = opener
        self._socket: socket.socket | None = None
        self._id = 0
        self._sequence = 0
        self._buffer = memoryview(bytearray(RECEIVE_BUFFER))

    def close(self) -> None:
        """Close the socket; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def batch(self, requests: Sequence[Request]) -> dict[int, int]:
        """Send requests in order and return the errno of each refused one by its position.

        They travel about 400 in one sendmsg. Raise AnswersLostError, which says what is known of the requests;
        those after the lost answers are not sent. Raise UnknownFamilyError, OSError.
        """
        refused: dict[int, int] = {}
        start = 0
        while start < len(requests):
            part = requests[start : start + self._batch_size()]
            try:
                answers = self._send_part(part)
            except AnswersLostError as lost:
                lost.refused = refused | {start + position: number for position, number in lost.refused.items()}
                lost.refused |= dict.fromkeys(range(start + len(part), len(requests)), 0)
                raise
            refused |= {start + position: number for position, number in answers.items()}
            start += len(part)
        return refused

    def ask(self, request: Request) -> list[bytes]:
        """Return the attributes of the messages that answer one request; raise RefusedError, AnswersLostError."""
        return [bytes(message) for message in self._exchange(request, NLM_F_REQUEST | NLM_F_ACK)]

    def dump(self, request: Request) -> Iterator[memoryview]:
        """Yield the attributes of each dumped message; a view is good until the next one is asked for.

        Raise RefusedError, AnswersLostError, InterruptedDumpError.
        """
        return self._exchange(request, NLM_F_REQUEST | NLM_F_DUMP)

    def resolve(self) -> bool:
        """Look up the family's number, which loads its module; return whether it changed.

        Raise UnknownFamilyError. Loading a module again gives its family another number.
        """
        before, self._id = self._id, 0
        for load in (None, self._loader):
            if load is not None:
                load()
            self._id = self._look_up()
            if self._id:
                return self._id != before
        raise UnknownFamilyError(f"the kernel has no generic netlink family {self._family!r}")

    def _look_up(self) -> int:
        """Ask the controller (nlctrl) for the family's number, 0 if there is none; asking makes the kernel load it."""
        name = self._family.encode() + b"\0"
        attribute = ATTRIBUTE.pack(ATTRIBUTE.size + len(name), CTRL_ATTR_FAMILY_NAME) + name
        request = (CTRL_CMD_GETFAMILY, attribute + bytes(-len(attribute) % 4))
        found = 0
        try:
            for message in self._converse(GENL_ID_CTRL, request, NLM_F_REQUEST | NLM_F_ACK):
                for kind, start, end in attributes(message, 0, len(message)):
                    if kind == CTRL_ATTR_FAMILY_ID and end - start == FAMILY_ID.size:
                        found = FAMILY_ID.unpack_from(message, start)[0]
        except RefusedError as refusal:
            if refusal.errno != errno.ENOENT:
                raise
        return found

    def _exchange(self, request: Request, flags: int) -> Iterator[memoryview]:
        """Converse, once more if the family's number turned out to be stale."""
        if not self._id:
            self.resolve()
        try:
            yield from self._converse(self._id, request, flags)
        except RefusedError as refusal:
            if refusal.errno != errno.ENOENT or not self.resolve():
                raise
            yield from self._converse(self._id, request, flags)

    def _converse(self, family: int, request: Request, flags: int) -> Iterator[memoryview]:
        """Send one request and yield its answers up to the acknowledgement or the end of the dump."""
        command, payload = request
        self._sequence = sequence = self._sequence % LAST_SEQUENCE + 1
        until = time.monotonic() + self._deadline
        finished = interrupted = False
        try:
            length = HEADERS.size + len(payload)
            self._send(HEADERS.pack(length, family, flags, sequence, 0, command, 1, 0) + payload)
            while not finished:
                for kind, marks, answered, start, end in self._receive(until):
                    if answered != sequence:
                        continue
                    interrupted = interrupted or bool(marks & NLM_F_DUMP_INTR)
                    if kind >= GENL_ID_CTRL:
                        yield self._buffer[start + 4 : end]
                    elif kind in {NLMSG_ERROR, NLMSG_DONE}:
                        finished = True
                        number = self._number(start, end)
                        if number:
                            raise RefusedError(number)
        finally:
            # A caller that stops early, too, leaves answers behind that the next request must not meet.
            if not finished:
                self.close()
        if interrupted:
            raise InterruptedDumpError("the kernel changed what it was dumping")

    def _send_part(self, part: Sequence[Request]) -> dict[int, int]:
        """Send what fits one sendmsg; when every request met an unknown family, look it up and send them again."""
        if not self._id:
            self.resolve()
        refused = self._send_once(part)
        all_unknown = len(refused) == len(part) and set(refused.values()) == {errno.ENOENT}
        if all_unknown and self.resolve():
            refused = self._send_once(part)
        return refused

    def _send_once(self, part: Sequence[Request]) -> dict[int, int]:
        first = self._sequence + 1 if self._sequence + len(part) <= LAST_SEQUENCE else 1
        self._sequence = last = first + len(part) - 1
        family = self._id
        pieces = []
        for sequence, (command, payload) in enumerate(part, first):
            # Only the last asks for an acknowledgement: a refused request answers in any case.
            flags = NLM_F_REQUEST | NLM_F_ACK if sequence == last else NLM_F_REQUEST
            pieces.append(HEADERS.pack(HEADERS.size + len(payload), family, flags, sequence, 0, command, 1, 0))
            pieces.append(payload)
        until = time.monotonic() + self._deadline
        answers: dict[int, int] = {}
        try:
            self._send(b"".join(pieces))
            while last - first not in answers:
                answers |= self._refusals(first, last, until)
        except AnswersLostError as lost:
            # A full buffer is told before what had still found room in it (Linux net/core/datagram.c).
            with contextlib.suppress(AnswersLostError):
                while True:
                    answers |= self._refusals(first, last, until=0.0)
            self.close()
            # Answers come in the order of the requests: before the last known one, no answer means done.
            known = max(answers, default=-1) + 1
            lost.refused = {position: number for position, number in answers.items() if number}
            lost.refused |= dict.fromkeys(range(known, len(part)), 0)
            raise
        return {position: number for position, number in answers.items() if number}

    def _refusals(self, first: int, last: int, until: float) -> dict[int, int]:
        """Return the error numbers in the next datagram by the position of the request that they answer."""
        return {
            sequence - first: self._number(start, end)
            for kind, _, sequence, start, end in self._receive(until)
            if kind == NLMSG_ERROR and first <= sequence <= last
        }

    def _batch_size(self) -> int:
        answers = self._open().getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // ANSWER_SIZE
        requests = self._open().getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // REQUEST_SIZE
        return max(1, min(BATCH, answers, requests))

    def _open(self) -> socket.socket:
        if self._socket is None:
            self._socket = self._opener()
        return self._socket

    def _send(self, data: bytes) -> None:
        try:
            self._open().send(data, socket.MSG_DONTWAIT)
        except BlockingIOError as full:
            raise AnswersLostError("the netlink socket takes no more") from full

    def _receive(self, until: float) -> list[tuple[int, int, int, int, int]]:
        """Return (type, flags, sequence, start, end) of each message of one datagram, which lies in the buffer."""
        size = self._receive_datagram(until)
        messages = []
        start = 0
        while start < size:
            if size - start < HEADER.size:
                raise AnswersLostError("an answer ended within its header")
            length, kind, flags, sequence, _ = HEADER.unpack_from(self._buffer, start)
            if not HEADER.size <= length <= size - start or (kind >= GENL_ID_CTRL and length < HEADERS.size):
                raise AnswersLostError(f"an answer claims {length} bytes where {size - start} are left")
            if kind == NLMSG_OVERRUN:
                raise AnswersLostError("the kernel says that data was lost")
            if kind != NLMSG_NOOP:
                messages.append((kind, flags, sequence, start + HEADER.size, start + length))
            start += (length + 3) & ~3
        return messages

    def _receive_datagram(self, until: float) -> int:
        """Fill the buffer with one datagram and return its size."""
        sock = self._open()
        while True:
            try:
                size = sock.recv_into(self._buffer, 0, socket.MSG_DONTWAIT | socket.MSG_TRUNC)
                break
            except BlockingIOError:
                self._wait(sock, until)
            except OSError as problem:
                if problem.errno != errno.ENOBUFS:
                    raise
                raise AnswersLostError("the kernel dropped answers because the socket's buffer was full") from problem
        if size > len(self._buffer):
            raise AnswersLostError(f"an answer of {size} bytes was cut off")
        return size

    def _wait(self, sock: socket.socket, until: float) -> None:
        remaining = until - time.monotonic()
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        if remaining <= 0 or not poll.poll(remaining * 1000):
            raise AnswersLostError(f"the kernel did not answer within {self._deadline:g} s")

    def _number(self, start: int, end: int) -> int:
        """Return the positive errno of an NLMSG_ERROR or NLMSG_DONE message; 0 is success."""
        if end - start < ERRNO.size:
            raise AnswersLostError("an answer lacks its error number")
        return -int(ERRNO.unpack_from(self._buffer, start)[0])
