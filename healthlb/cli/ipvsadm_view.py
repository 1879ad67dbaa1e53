"""The virtual servers as ipvsadm(8) 1.31 lists a table: `ipvsadm -Ln`, `--stats` and `--rate`, octet for octet.

What nobody would expect is here on purpose: addresses are ordered by differences that overflow, and the first three
rates of a destination are never shortened, those of a service are. One thing is not: of a destination's counters, other
than bytes, ipvsadm 1.31 shows 32 bits.
"""

import socket
from collections.abc import Iterator
from functools import cmp_to_key
from typing import Any, Literal

Form = Literal["plain", "stats", "rate"]

_Words = tuple[int, ...]

_COUNTERS = {
    "stats": {
        "Conns": "connections",
        "InPkts": "in_packets",
        "OutPkts": "out_packets",
        "InBytes": "in_bytes",
        "OutBytes": "out_bytes",
    },
    "rate": {
        "CPS": "connections_per_second",
        "InPPS": "in_packets_per_second",
        "OutPPS": "out_packets_per_second",
        "InBPS": "in_bytes_per_second",
        "OutBPS": "out_bytes_per_second",
    },
}
_TITLE = "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn"
_PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": socket.IPPROTO_SCTP}
_METHODS = {"nat": "Masq", "dr": "Route", "tunnel": "Tunnel", "local": "Local"}
_FLAGS = {
    "sh": {"flag-1": "sh-fallback", "flag-2": "sh-port"},
    "mh": {"flag-1": "mh-fallback", "flag-2": "mh-port"},
}
_ANY_FLAGS = {"flag-1": "flag-1", "flag-2": "flag-2", "flag-3": "flag-3"}
_SHORT = ((100_000_000, 1, ""), (10**9, 10**3, "K"), (10**11, 10**6, "M"), (10**14, 10**9, "G"))


def listing(status: dict[str, Any], form: Form) -> str:
    """Return the whole text; raise AttributeError, KeyError, TypeError or ValueError when the status is not one."""
    table = status["director"]["table"]
    made = [f"IP Virtual Server version {table['ipvs_version'] or '?'} (size={table['connection_slots'] or '?'})"]
    if form == "plain":
        made.append(_TITLE)
    else:
        headings = "".join(f" {heading:>8}" for heading in _COUNTERS[form])
        made += [f"{'Prot LocalAddress:Port':<33}{headings}", "  -> RemoteAddress:Port"]
    pools = [pool for pool in status["virtual_servers"] if pool["in_table"]]
    for pool in sorted(pools, key=_service_key):
        made.append(_service(pool, form))
        made += [_destination(row, form) for row in sorted(_rows(pool), key=_destination_key)]
    return "\n".join(made) + "\n"


def _rows(pool: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what has a row in the table: real servers, sorry servers and what waits for its connections, each once."""
    seen = set()
    for server in (*pool["real_servers"], *pool["sorry_servers"], *pool["leaving"]):
        if server["weight"]["kernel"] is not None and server["address"] not in seen:
            seen.add(server["address"])
            yield server


def _service(pool: dict[str, Any], form: Form) -> str:
    if pool["protocol"] == "fwmark":
        # It prints marks with a sign.
        name = f"FWM  {_signed(pool['fwmark'])}" + (" IPv6" if pool["family"] == "inet6" else "")
    else:
        name = f"{pool['protocol'].upper():<4} {_address(pool['address'])}"
    if form != "plain":
        return f"{name:<33}" + "".join(_counter(number) for number in _numbers(pool, form))
    words = [name, pool["scheduler"]]
    if pool["scheduler_flags"]:
        # Where flag-3 of sh or mh is alone, there is nothing between the brackets.
        names = _FLAGS.get(pool["scheduler"], _ANY_FLAGS)
        words.append(f"({','.join(names[flag] for flag in sorted(pool['scheduler_flags']) if flag in names)})")
    words += _persistence(pool)
    words += ["ops"] if pool["one_packet"] else []
    return " ".join(words)


def _persistence(pool: dict[str, Any]) -> list[str]:
    persistence = pool["persistence"]
    if persistence is None:
        return []
    words = ["persistent", str(persistence["timeout"])]
    prefix = persistence["prefix"]
    if pool["family"] == "inet6":
        words += [] if prefix == 128 else ["mask", str(prefix)]
    elif prefix != 32:
        mask = 0xFFFFFFFF << (32 - prefix) & 0xFFFFFFFF
        words += ["mask", socket.inet_ntop(socket.AF_INET, mask.to_bytes(4, "big"))]
    return words + (["pe", persistence["engine"]] if persistence["engine"] else [])


def _destination(row: dict[str, Any], form: Form) -> str:
    name = f"  -> {_address(row['address']):<28}"
    if form == "plain":
        connections = row["connections"]
        return (
            f"{name} {_METHODS[row['method']]:<7} {row['weight']['kernel']:<6} "
            f"{connections['active']:<10} {connections['inactive']:<10}"
        )
    numbers = _numbers(row, form)
    if form == "rate":
        return name + "".join(f" {number:>8}" for number in numbers[:3]) + "".join(map(_counter, numbers[3:]))
    return name + "".join(map(_counter, numbers))


def _numbers(item: dict[str, Any], form: Form) -> list[int]:
    values = item["stats" if form == "stats" else "rates"]
    return [int(values[name]) for name in _COUNTERS[form].values()]


def _counter(number: int) -> str:
    """Return a number in nine columns; from 100 million on it is cut, not rounded, to thousands and so on."""
    for limit, unit, letter in _SHORT:
        if number < limit:
            return f"{number // unit:>{9 - len(letter)}}{letter}"
    return f"{number // 10**12:>8}T"


def _parts(address: str) -> tuple[int, bytes, int]:
    """Return the family, the packed address and the port of `192.0.2.1:80` or `[2001:db8::1]:80`."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    return family, socket.inet_pton(family, host.strip("[]")), int(port)


def _address(address: str) -> str:
    """Return an address and port in the C library's spelling."""
    family, packed, port = _parts(address)
    host = socket.inet_ntop(family, packed)
    return f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"


@cmp_to_key
def _service_order(one: _Words, other: _Words) -> int:
    """Compare as ipvs_cmp_services (libipvs.c) does: by mark, family, protocol, address in words of 32 bits, port."""
    return _first_difference(one, other)


def _service_key(pool: dict[str, Any]) -> Any:
    family = socket.AF_INET6 if pool["family"] == "inet6" else socket.AF_INET
    if pool["protocol"] == "fwmark":
        return _service_order((pool["fwmark"], family))
    _, packed, port = _parts(pool["address"])
    return _service_order((0, family, _PROTOCOLS[pool["protocol"]], *_words(packed), port))


@cmp_to_key
def _destination_order(one: _Words, other: _Words) -> int:
    """Compare as ipvs_cmp_dests (libipvs.c) does: by as many words as the first one's family has, then by port."""
    words = 4 if one[0] == socket.AF_INET6 else 1
    return _first_difference((*one[1 : 1 + words], one[-1]), (*other[1 : 1 + words], other[-1]))


def _destination_key(row: dict[str, Any]) -> Any:
    family, packed, port = _parts(row["address"])
    return _destination_order((family, *_words(packed.ljust(16, b"\0")), port))


def _words(packed: bytes) -> Iterator[int]:
    return (int.from_bytes(packed[place : place + 4], "big") for place in range(0, len(packed), 4))


def _first_difference(one: _Words, other: _Words) -> int:
    return next((_signed(a - b) for a, b in zip(one, other, strict=True) if a != b), 0)


def _signed(number: int) -> int:
    """Return what C's int keeps of a number: from half of its range on the sign turns."""
    number &= 0xFFFFFFFF
    return number - (number >> 31 << 32)
