"""Dumped IPVS rows as the model's words (Linux net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_genl_fill_service and _dest).

Rows that did not change come back as the identical objects: a table of ten thousand real servers is read over and
over, and what is read must neither be decoded nor stored twice.
"""

import ipaddress
import struct
from collections.abc import Callable
from socket import AF_INET6
from socket import ntohs as from_network_order
from typing import Generic, TypeVar

from healthlb.linux import ipvs_numbers as nr
from healthlb.linux.layout import LayoutReader, Path, Shape, Values
from healthlb.linux.netlink import MalformedError, attributes
from healthlb.model.counters import Traffic, Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.table import Destination, Method, Persistence, Service, ServiceKey, Timeouts, Tunnel

PROTOCOL_NAMES = {number: name for name, number in nr.PROTOCOLS.items()}
METHOD_NAMES = {number: name for name, number in nr.METHODS.items()}
TUNNEL_NAMES = {number: name for name, number in nr.TUNNELS.items()}
CHECKSUM_NAMES = {number: name for name, number in nr.CHECKSUMS.items()}

U32 = struct.Struct("=I")
Row = TypeVar("Row")


def _statistics(row: int, wide: int, narrow: int) -> tuple[dict[Path, str], list[tuple[Path, ...]]]:
    """Return the formats and paths of IPVS_STATS_ATTR_* 1 to 10, in the 64-bit nest and in the older one.

    Bytes (4 and 5) have 64 bits in both.
    """
    formats: dict[Path, str] = {(row, wide, kind): "Q" for kind in range(1, 11)}
    formats |= {(row, narrow, kind): "Q" if kind in {4, 5} else "I" for kind in range(1, 11)}
    return formats, [tuple((row, nest, kind) for kind in range(1, 11)) for nest in (wide, narrow)]


def _shape(
    row: int, values: dict[int, str], optional: set[int], counts: tuple[int, ...], nests: tuple[int, int]
) -> Shape:
    formats, groups = _statistics(row, *nests)
    connections = tuple((row, kind) for kind in counts)
    return Shape(
        formats=formats | {(row, kind): form for kind, form in values.items()} | dict.fromkeys(connections, "I"),
        nests=frozenset({(row,), *((row, nest) for nest in nests)}),
        row=tuple((row, kind) for kind in values),
        required=frozenset({*connections, *((row, kind) for kind in values.keys() - optional)}),
        numbers=tuple(connections + group for group in groups),
    )


SERVICE_SHAPE = _shape(
    nr.SERVICE,
    {
        nr.SVC_AF: "H",
        nr.SVC_PROTOCOL: "H",
        nr.SVC_ADDR: "16s",
        nr.SVC_PORT: "H",
        nr.SVC_FWMARK: "I",
        nr.SVC_SCHED_NAME: "s",
        nr.SVC_FLAGS: "8s",
        nr.SVC_TIMEOUT: "I",
        nr.SVC_NETMASK: "4s",
        nr.SVC_PE_NAME: "s",
    },
    optional={nr.SVC_PROTOCOL, nr.SVC_ADDR, nr.SVC_PORT, nr.SVC_FWMARK, nr.SVC_PE_NAME},
    counts=(),
    nests=(nr.SVC_STATS64, nr.SVC_STATS),
)
# The family came with Linux 3.18, the tunnel with 5.3; without them the family is the service's and the tunnel ipip.
DESTINATION_SHAPE = _shape(
    nr.DEST,
    {
        nr.DEST_ADDR: "16s",
        nr.DEST_PORT: "H",
        nr.DEST_FWD_METHOD: "I",
        nr.DEST_WEIGHT: "i",
        nr.DEST_U_THRESH: "I",
        nr.DEST_L_THRESH: "I",
        nr.DEST_ADDR_FAMILY: "H",
        nr.DEST_TUN_TYPE: "B",
        nr.DEST_TUN_PORT: "H",
        nr.DEST_TUN_FLAGS: "H",
    },
    optional={nr.DEST_ADDR_FAMILY, nr.DEST_TUN_TYPE, nr.DEST_TUN_PORT, nr.DEST_TUN_FLAGS},
    counts=(nr.DEST_ACTIVE_CONNS, nr.DEST_INACT_CONNS, nr.DEST_PERSIST_CONNS),
    nests=(nr.DEST_STATS64, nr.DEST_STATS),
)


class _Kept(Generic[Row]):
    """What the raw values of the last two rounds were decoded to."""

    def __init__(self, decode: Callable[[Values], Row]) -> None:
        self._decode = decode
        self._before: dict[Values, Row] = {}
        self._now: dict[Values, Row] = {}

    def __getitem__(self, values: Values) -> Row:
        row = self._now.get(values)
        if row is None:
            row = self._before.get(values) or self._decode(values)
            self._now[values] = row
        return row

    def next_round(self) -> None:
        self._before, self._now = self._now, {}


class Decoder:
    """Decodes the messages of one reading of the table after the other."""

    def __init__(self) -> None:
        self._service_layouts = LayoutReader(SERVICE_SHAPE)
        self._destination_layouts = LayoutReader(DESTINATION_SHAPE)
        self._services = _Kept(decode_service)
        self._destinations = _Kept(decode_destination)
        self._usages = _Kept(decode_usage)

    def next_round(self) -> None:
        """Begin another reading: what the reading before the last one knew and the last one did not is forgotten."""
        for kept in (self._services, self._destinations, self._usages):
            kept.next_round()

    def service(self, message: memoryview) -> tuple[Service | None, Usage]:
        """Return a dumped service, None if its protocol has no name here; raise MalformedError."""
        row, numbers = self._service_layouts.read(message)
        return self._services[row][0], self._usages[(0, 0, 0, *numbers)]

    def destination(self, message: memoryview, family: int) -> tuple[Destination, Usage]:
        """Return a dumped destination of a service of an address family (AF_*); raise MalformedError."""
        row, numbers = self._destination_layouts.read(message)
        return self._destinations[(family, *row)], self._usages[numbers]


def decode_service(values: Values) -> tuple[Service | None]:
    """Return the service of the values of SERVICE_SHAPE, in a tuple so that None can be kept too."""
    family, protocol, address, port, fwmark, scheduler, flags_and_mask, timeout, netmask, engine = values
    if fwmark:
        key = ServiceKey.marked(fwmark, "inet6" if family == AF_INET6 else "inet")
    elif protocol in PROTOCOL_NAMES:
        key = ServiceKey.at(PROTOCOL_NAMES[protocol], _endpoint(family, address or bytes(16), port))
    else:
        return (None,)
    flags = U32.unpack_from(flags_and_mask)[0]
    persistence = None
    if flags & nr.SVC_F_PERSISTENT:
        prefix = U32.unpack(netmask)[0] if family == AF_INET6 else _prefix(netmask)
        persistence = Persistence(timeout, prefix, _text(engine or b""))
    service = Service(
        key,
        _text(scheduler),
        frozenset(name for name, bit in nr.SCHEDULER_FLAGS.items() if flags & bit),
        persistence,
        one_packet=bool(flags & nr.SVC_F_ONEPACKET),
    )
    return (service,)


def decode_destination(values: Values) -> Destination:
    """Return the destination of its service's family and the values of DESTINATION_SHAPE."""
    service_family, address, port, forwarding, weight, upper, lower, family, tunnel, tunnel_port, flags = values
    kind = METHOD_NAMES.get(forwarding & nr.FWD_MASK)
    if kind is None:
        raise MalformedError(f"forwarding method {forwarding} is unknown")
    method = Method(kind)
    # The kernel keeps any type and any flags, whatever it makes of them. Such a row must not hide all the others, and
    # as a tunnel of no kind it is like none that is configured, so that one of ours is put right.
    if kind == "tunnel" and tunnel in TUNNEL_NAMES and flags in CHECKSUM_NAMES:
        method = Method(kind, Tunnel(TUNNEL_NAMES[tunnel], from_network_order(tunnel_port), CHECKSUM_NAMES[flags]))
    return Destination(_endpoint(family or service_family, address, port), method, weight, upper, lower)


def decode_usage(values: Values) -> Usage:
    """Return the usage of three connection counts, five totals and five rates."""
    return Usage(Traffic(*values[3:8]), Traffic(*values[8:13]), *values[:3])


def decode_timeouts(message: bytes) -> Timeouts:
    """Return the timeouts that a GET_CONFIG answer tells; raise MalformedError."""
    seconds = _numbers(message)
    try:
        return Timeouts(seconds[nr.TIMEOUT_TCP], seconds[nr.TIMEOUT_TCP_FIN], seconds[nr.TIMEOUT_UDP])
    except KeyError as missing:
        raise MalformedError(f"timeout {missing} is missing") from None


def decode_info(message: bytes) -> tuple[str, int]:
    """Return the version and the size of the table of connections that a GET_INFO answer tells, empty and 0 without.

    The version is a number of three octets (NVERSION in Linux include/uapi/linux/ip_vs.h).
    """
    numbers = _numbers(message)
    version = numbers.get(nr.INFO_VERSION)
    shown = "" if version is None else f"{version >> 16 & 0xFF}.{version >> 8 & 0xFF}.{version & 0xFF}"
    return shown, numbers.get(nr.INFO_CONN_TAB_SIZE, 0)


def _numbers(message: bytes) -> dict[int, int]:
    view = memoryview(message)
    return {
        kind: U32.unpack_from(view, start)[0]
        for kind, start, end in attributes(view, 0, len(view))
        if end - start == U32.size
    }


def _endpoint(family: int, packed: bytes, port: int) -> Endpoint:
    address = ipaddress.IPv6Address(packed) if family == AF_INET6 else ipaddress.IPv4Address(packed[:4])
    return Endpoint(str(address), from_network_order(port))


def _prefix(netmask: bytes) -> int:
    """Return the length of an IPv4 netmask, or -1 if its ones do not all come first."""
    zeros = 0xFFFFFFFF ^ int.from_bytes(netmask, "big")
    return -1 if zeros & (zeros + 1) else 32 - zeros.bit_length()


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
