"""What sockets for crafted packets need beside sending: a filter in the kernel, errors that come back, losses."""

import contextlib
import ctypes
import os
import socket
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from checks.wire.icmp import trouble

SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33
SO_MEMINFO = 55
MEMINFO_DROPS = 8
"""Linux include/uapi/asm-generic/socket.h and sock_diag.h: how many packets found no room in the receive buffer."""
MEMINFO_BYTES = 36
IP_RECVERR, IPV6_RECVERR = 11, 25
LOCAL = 1
ORIGINS = {2: 4, 3: 6}
"""SO_EE_ORIGIN_LOCAL, and those of ICMP and ICMP6 by the IP version that they are of (ip(7))."""
EXTENDED_ERROR = struct.Struct("=iBBBxII")
"""struct sock_extended_err, which the address of the offender follows (ip(7), SO_EE_OFFENDER)."""
QUOTED_BYTES = 256
ANCILLARY_BYTES = 512
ERRORS_PER_WAKE = 64
RECEIVE_BUFFER = 4 << 20
"""Bytes; twice as much is granted, which is room for some ten thousand small packets while the loop is held up."""

Instruction = tuple[int, int, int, int]
"""Operation, jump if true, jump if false, operand: one struct sock_filter of classic BPF (linux/filter.h)."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error that came back for a packet of ours: where that was going, what is quoted of it, and a sentence."""

    address: str
    quoted: bytes
    sentence: str


def attach_filter(sock: socket.SocketType, program: Iterable[Instruction]) -> None:
    """Have the kernel drop what the program returns 0 for, and drop what came before (socket(7)). Raise OSError."""
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(code) // 8, ctypes.addressof(buffer)))
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.recv(1)


def hear_errors(sock: socket.SocketType) -> None:
    """Have ICMP errors about packets of this socket queued for `read_troubles`. Raise OSError."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)


def make_room(sock: socket.SocketType) -> None:
    """Ask for a great receive buffer: as much as the system allows, or more where we have CAP_NET_ADMIN."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)


def count_drops(sock: socket.SocketType) -> int:
    """Return how many packets this socket has lost because its buffer was full."""
    try:
        answer = sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, MEMINFO_BYTES)
    except OSError:
        return 0  # Linux before 4.12 does not tell
    return int.from_bytes(answer[4 * MEMINFO_DROPS : 4 * MEMINFO_DROPS + 4], sys.byteorder)


def read_troubles(sock: socket.SocketType) -> list[Trouble]:
    """Empty the socket's error queue, or so many of it that others have their turn, too."""
    troubles = []
    for _ in range(ERRORS_PER_WAKE):
        try:
            quoted, ancillary, _, address = sock.recvmsg(QUOTED_BYTES, ANCILLARY_BYTES, socket.MSG_ERRQUEUE)
        except OSError:
            break
        host = address[0] if address else ""
        for level, kind, data in ancillary:
            if (level, kind) in {(socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)}:
                sentence = read_extended_error(data)
                if sentence is not None:
                    troubles.append(Trouble(host, quoted, sentence))
    return troubles


def read_extended_error(data: bytes) -> str | None:
    """Return what a struct sock_extended_err and its offender say, or None if that is no word about a packet."""
    if len(data) < EXTENDED_ERROR.size:
        return None
    number, origin, kind, code, told, _ = EXTENDED_ERROR.unpack_from(data)
    version = ORIGINS.get(origin)
    if version is None:
        return os.strerror(number).lower() if origin == LOCAL else None
    sentence = trouble(version, kind, code, told)
    offender = _offender(data[EXTENDED_ERROR.size :])
    return f"{sentence} (from {offender})" if offender else sentence


def _offender(data: bytes) -> str | None:
    """Read a struct sockaddr_in or sockaddr_in6 (ip(7), ipv6(7))."""
    family = int.from_bytes(data[:2], sys.byteorder)
    if family == socket.AF_INET and len(data) >= 8:
        return socket.inet_ntop(socket.AF_INET, data[4:8])
    if family == socket.AF_INET6 and len(data) >= 24:
        return socket.inet_ntop(socket.AF_INET6, data[8:24])
    return None
