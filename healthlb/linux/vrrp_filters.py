"""What the kernel lets through to an instance's sockets, so that a flood of garbage costs next to nothing.

One filter takes what may well be an advert of this router, the other what has its router id and cannot be one. Between
them they take all that has the router id; nothing is taken by both.
"""

from typing import Final, Literal

from healthlb.core.vrrp.packet import (
    ADDRESS_LENGTHS,
    ADVERTISEMENT,
    AUTHENTICATION_LENGTH,
    HEADER_LENGTH,
    PROTOCOL,
)
from healthlb.linux.bpf import (
    A_TO_X,
    ADD_X,
    ALL,
    LOAD_LENGTH,
    NOTHING_INTO_X,
    X_TO_A,
    Instruction,
    add,
    fold,
    give,
    header_into_x,
    load_byte,
    load_byte_beyond,
    load_half,
    unless_equal,
)
from healthlb.model.vrrp import Family

IP_HEADER: Final = 20
TIME_TO_LIVE: Final = 8
"""Where an IPv4 header has it (RFC 791 section 3.1)."""
NEVER_ROUTED: Final = 255
RIGHT: Final = 0xFFFF
"""What a message and its checksum add up to."""
MOST_SUMMED: Final = 200
"""Bytes; the checksum of a longer message is left to the reader: the kernel limits what filters may take."""


def adverts(
    family: Family, version: Literal[2, 3], router_id: int, count: int, *, unicast: bool = False
) -> list[Instruction]:
    """Return the filter for adverts of this version and router id with so many addresses and a right checksum.

    Over IPv4 they have crossed no router, unless `unicast`: there each peer has a minimum of its own.
    """
    return [*_checks(family, version, router_id, count, unicast=unicast, wrong=0), give(ALL)]


def suspects(
    family: Family, version: Literal[2, 3], router_id: int, count: int, *, unicast: bool = False
) -> list[Instruction]:
    """Return the filter for everything else that has the router id. What is too short to have one has none."""
    head = [header_into_x(0), load_byte_beyond(1)] if family == 4 else [load_byte(1)]
    return [
        *head,
        *unless_equal(router_id, give(0)),
        *_checks(family, version, router_id, count, unicast=unicast, wrong=ALL),
        give(0),
    ]


def _checks(
    family: Family, version: Literal[2, 3], router_id: int, count: int, *, unicast: bool, wrong: int
) -> list[Instruction]:
    """Return what ends with `wrong` unless the packet is as wanted.

    A raw socket sees IPv4 packets from the IP header on, IPv6 ones from the message on, whose checksum the kernel
    has verified by then (Linux net/ipv6/raw.c, rawv6_rcv).
    """
    start = IP_HEADER if family == 4 else 0
    length = HEADER_LENGTH + count * ADDRESS_LENGTHS[family] + (AUTHENTICATION_LENGTH if version == 2 else 0)
    end = give(wrong)
    checks = [LOAD_LENGTH, *unless_equal(start + length, end)]
    if family == 4:
        checks += [load_byte(0), *unless_equal(0x45, end)]
        checks += [] if unicast else [load_byte(TIME_TO_LIVE), *unless_equal(NEVER_ROUTED, end)]
    checks += [load_byte(start), *unless_equal(version << 4 | ADVERTISEMENT, end)]
    checks += [load_byte(start + 1), *unless_equal(router_id, end)]
    checks += [load_byte(start + 3), *unless_equal(count, end)]
    if family == 4 and length <= MOST_SUMMED:
        checks += [NOTHING_INTO_X, *_add(range(start, start + length, 2)), *fold()]
        # RFC 9568 section 5.2.8 leaves the pseudo-header out of the sum; RFC 5798 and keepalived have one.
        pseudo = [*_add(range(12, 20, 2)), *_add_number(PROTOCOL + length), *fold(), *unless_equal(RIGHT, end)]
        checks += unless_equal(RIGHT, *([end] if version == 2 else pseudo))
    return checks


def _add(offsets: range) -> list[Instruction]:
    """Return what adds the halfwords at these offsets to X."""
    return [part for offset in offsets for part in (load_half(offset), ADD_X, A_TO_X)]


def _add_number(number: int) -> list[Instruction]:
    return [X_TO_A, add(number), A_TO_X]
