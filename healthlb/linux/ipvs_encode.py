"""Operations as IPVS netlink requests (Linux net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_genl_set_cmd).

Every attribute is its length with the header, its type, its value, and padding to four bytes; those of fixed size
are packed together in one go.
"""

import socket
import struct
from functools import lru_cache

from healthlb.linux import ipvs_numbers as nr
from healthlb.linux.netlink import ATTRIBUTE, Request
from healthlb.model.endpoint import Endpoint
from healthlb.model.operations import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    EditDestination,
    EditService,
    Operation,
    SetTimeouts,
)
from healthlb.model.table import Destination, Service, ServiceKey, Timeouts, Tunnel

ALL_FLAGS = 0xFFFFFFFF
IPIP = Tunnel()

ADDRESSED = struct.Struct("=HHHxxHHHxxHH16sHH2sxx")
MARKED = struct.Struct("=HHHxxHHI")
SCHEDULING = struct.Struct("=HHIIHHIHH4s")
DESTINATION_KEY = struct.Struct("=HHHH16sHH2sxxHHHxx")
DESTINATION = struct.Struct("=HHHH16sHH2sxxHHHxxHHIHHIHHIHHIHHBxxxHH2sxxHHHxx")
TIMEOUTS = struct.Struct("=HHIHHIHHI")


def encode(operation: Operation) -> Request:
    """Return the request that carries an operation out.

    Raise ValueError, OSError, OverflowError or struct.error for values that no message can hold.
    """
    match operation:
        case AddService(service):
            return nr.NEW_SERVICE, _service(service)
        case EditService(service):
            return nr.SET_SERVICE, _service(service)
        case DeleteService(key):
            return nr.DEL_SERVICE, key_attributes(key)
        case AddDestination(key, destination):
            return nr.NEW_DEST, key_attributes(key) + _destination(destination)
        case EditDestination(key, destination):
            return nr.SET_DEST, key_attributes(key) + _destination(destination)
        case DeleteDestination(key, address):
            return nr.DEL_DEST, key_attributes(key) + _destination_key(address)
        case SetTimeouts(timeouts):
            return nr.SET_CONFIG, _timeouts(timeouts)


@lru_cache(maxsize=4096)
def key_attributes(key: ServiceKey) -> bytes:
    """Return the attribute that names a service."""
    return _nest(nr.SERVICE, _key_values(key))


def _service(service: Service) -> bytes:
    """Return the attribute that describes a service whole."""
    flags = nr.SVC_F_ONEPACKET if service.one_packet else 0
    for name in service.scheduler_flags:
        flags |= nr.SCHEDULER_FLAGS[name]
    timeout = 0
    engine = b""
    if service.persistence is not None:
        flags |= nr.SVC_F_PERSISTENT
        timeout = service.persistence.timeout
        if service.persistence.engine:
            engine = _text(nr.SVC_PE_NAME, service.persistence.engine)
    packed = SCHEDULING.pack(
        *(12, nr.SVC_FLAGS, flags, ALL_FLAGS),
        *(8, nr.SVC_TIMEOUT, timeout),
        *(8, nr.SVC_NETMASK, _netmask(service)),
    )
    scheduler = _text(nr.SVC_SCHED_NAME, service.scheduler)
    return _nest(nr.SERVICE, _key_values(service.key) + scheduler + packed + engine)


def _key_values(key: ServiceKey) -> bytes:
    family = nr.FAMILIES[key.family]
    if key.protocol == "fwmark":
        return MARKED.pack(6, nr.SVC_AF, family, 8, nr.SVC_FWMARK, key.fwmark)
    return ADDRESSED.pack(
        *(6, nr.SVC_AF, family),
        *(6, nr.SVC_PROTOCOL, nr.PROTOCOLS[key.protocol]),
        *(20, nr.SVC_ADDR, socket.inet_pton(family, key.address)),
        *(6, nr.SVC_PORT, key.port.to_bytes(2, "big")),
    )


def _netmask(service: Service) -> bytes:
    """Return the persistence netmask: a mask for IPv4, a prefix length for IPv6; a whole address without one.

    The kernel wants it of every service (ipvsadm.c does the same for those without persistence).
    """
    persistence = service.persistence
    if service.key.family == "inet6":
        return struct.pack("=I", 128 if persistence is None else persistence.prefix & 0xFFFFFFFF)
    prefix = 32 if persistence is None else persistence.prefix
    if not 0 <= prefix <= 32:
        raise ValueError(f"no IPv4 netmask has {prefix} bits")
    return (0xFFFFFFFF << (32 - prefix) & 0xFFFFFFFF).to_bytes(4, "big")


def _destination(destination: Destination) -> bytes:
    """Return the attribute that describes a destination whole; the kernel keeps nothing of what is left out."""
    address = destination.address
    family = socket.AF_INET6 if ":" in address.address else socket.AF_INET
    tunnel = destination.method.tunnel or IPIP
    # Spelled out because a starred group costs as much as the packing, and this runs for every real server.
    return DESTINATION.pack(
        DESTINATION.size,
        nr.DEST,
        20,
        nr.DEST_ADDR,
        socket.inet_pton(family, address.address),
        6,
        nr.DEST_PORT,
        address.port.to_bytes(2, "big"),
        6,
        nr.DEST_ADDR_FAMILY,
        family,
        8,
        nr.DEST_FWD_METHOD,
        nr.METHODS[destination.method.kind],
        8,
        nr.DEST_WEIGHT,
        destination.weight & 0xFFFFFFFF,
        8,
        nr.DEST_U_THRESH,
        destination.upper_threshold,
        8,
        nr.DEST_L_THRESH,
        destination.lower_threshold,
        5,
        nr.DEST_TUN_TYPE,
        nr.TUNNELS[tunnel.type],
        6,
        nr.DEST_TUN_PORT,
        tunnel.port.to_bytes(2, "big"),
        6,
        nr.DEST_TUN_FLAGS,
        nr.CHECKSUMS[tunnel.checksum],
    )


def _destination_key(address: Endpoint) -> bytes:
    family = nr.FAMILIES[address.family]
    return DESTINATION_KEY.pack(
        *(DESTINATION_KEY.size, nr.DEST),
        *(20, nr.DEST_ADDR, socket.inet_pton(family, address.address)),
        *(6, nr.DEST_PORT, address.port.to_bytes(2, "big")),
        *(6, nr.DEST_ADDR_FAMILY, family),
    )


def _timeouts(timeouts: Timeouts) -> bytes:
    return TIMEOUTS.pack(
        *(8, nr.TIMEOUT_TCP, timeouts.tcp),
        *(8, nr.TIMEOUT_TCP_FIN, timeouts.tcp_fin),
        *(8, nr.TIMEOUT_UDP, timeouts.udp),
    )


def _text(kind: int, text: str) -> bytes:
    value = text.encode() + b"\0"
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def _nest(kind: int, values: bytes) -> bytes:
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(values), kind) + values
