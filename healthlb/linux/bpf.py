"""Filters that the kernel runs on what arrives at a socket (classic BPF, Linux Documentation/networking/filter.rst)."""

import contextlib
import ctypes
import socket
import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

SO_ATTACH_FILTER: Final = 26
ALL: Final = 0xFFFFFFFF
"""What a filter returns to let a whole packet through; 0 drops it."""


class Instruction(NamedTuple):
    """One struct sock_filter (linux/filter.h)."""

    operation: int
    if_true: int
    if_false: int
    operand: int


def load_byte(offset: int) -> Instruction:
    """Load a byte; a packet that is too short is dropped."""
    return Instruction(0x30, 0, 0, offset)


def load_half(offset: int) -> Instruction:
    """Load two bytes in network byte order; a packet that is too short is dropped."""
    return Instruction(0x28, 0, 0, offset)


def load_word(offset: int) -> Instruction:
    """Load four bytes in network byte order; a packet that is too short is dropped."""
    return Instruction(0x20, 0, 0, offset)


def load_byte_beyond(offset: int) -> Instruction:
    """Load the byte at an offset from X."""
    return Instruction(0x50, 0, 0, offset)


def header_into_x(offset: int) -> Instruction:
    """Load into X the length of the IPv4 header that begins at an offset."""
    return Instruction(0xB1, 0, 0, offset)


def mask(bits: int) -> Instruction:
    """Keep only these bits of A."""
    return Instruction(0x54, 0, 0, bits)


def shift_right(bits: int) -> Instruction:
    """Shift A to the right."""
    return Instruction(0x74, 0, 0, bits)


def add(number: int) -> Instruction:
    """Add a number to A."""
    return Instruction(0x04, 0, 0, number)


def give(value: int) -> Instruction:
    """End: let through `value` bytes of the packet."""
    return Instruction(0x06, 0, 0, value)


LOAD_LENGTH: Final = Instruction(0x80, 0, 0, 0)
ADD_X: Final = Instruction(0x0C, 0, 0, 0)
A_TO_X: Final = Instruction(0x07, 0, 0, 0)
X_TO_A: Final = Instruction(0x87, 0, 0, 0)
NOTHING_INTO_X: Final = Instruction(0x01, 0, 0, 0)


def unless_equal(value: int, *otherwise: Instruction) -> list[Instruction]:
    """Carry out `otherwise` if A is another value (at most 255 instructions)."""
    return [Instruction(0x15, len(otherwise), 0, value), *otherwise]


def fold() -> list[Instruction]:
    """Fold the sum of halfwords in X into 16 bits, as the Internet checksum wants it (RFC 1071 section 4.1).

    It ends up in X and in A; scratch memory keeps the lower half meanwhile.
    """
    keep, back = Instruction(0x02, 0, 0, 0), Instruction(0x60, 0, 0, 0)
    step = [X_TO_A, keep, shift_right(16), A_TO_X, back, mask(0xFFFF), ADD_X, A_TO_X]
    return [*step, *step]


def attach(sock: socket.socket, program: Iterable[Instruction]) -> None:
    """Have the kernel drop what the program returns 0 for, and drop what came before (socket(7)). Raise OSError."""
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    filter_ = struct.pack("HP", len(code) // 8, ctypes.addressof(buffer))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filter_)
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.recv(1, socket.MSG_DONTWAIT)
