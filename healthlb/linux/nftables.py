"""Makes, with pyroute2, the nftables transactions that drop packets to virtual addresses. Call it in a thread.

Two tables are called healthlb, one for each family: in a common one the kernel does not take xt_ipvs. Their chains come
after IPVS, which takes its packets at the same hook with priorities 98 and 99 (Linux net/netfilter/ipvs/ip_vs_core.c).
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final

from healthlb.linux.netlink import NLM_F_ACK, NLM_F_REQUEST

TABLE: Final = "healthlb"
SUBSYSTEM: Final = 10
NEWTABLE, DELTABLE, NEWCHAIN, NEWRULE, NEWSET, NEWSETELEM = 0, 2, 3, 6, 9, 12
CREATE, APPEND = 0x400, 0x800
# struct nlmsghdr (length, type, flags, sequence, port) and struct nfgenmsg (family, version, subsystem).
MARK = struct.Struct("=IHHIIBB2s")
BEGIN, END = 0x10, 0x11
FLAGS, FLAGS_AT = struct.Struct("=HI"), 6
LOCAL_IN, PRIORITY = 1, 110
DROP, ACCEPT = 0, 1
NETWORK_HEADER, TRANSPORT_HEADER = 1, 2
EQUAL, AT_MOST, AT_LEAST = 0, 3, 5
TRANSPORT_PROTOCOL, ICMPV6 = 16, 58
SOLICITATION, ADVERTISEMENT = 135, 136
FAMILIES: Final[Mapping[int, tuple[int, int, int, int]]] = {4: (2, 7, 16, 4), 6: (10, 8, 24, 16)}
"""For each IP version: netfilter's family, nft's type of addresses, where a destination is in the header, its size."""
NOT_IPVS: Final = bytes(38) + b"\x01\x01"
"""struct xt_ipvs_mtinfo: IPVS has not had this packet (Linux include/uapi/linux/netfilter/xt_ipvs.h)."""
MANY: Final = 500
"""Addresses in a message, whose attributes hold at most 64 KiB."""


def dropping(addresses: Sequence[str], *, ipvs: bool) -> bytes:
    """Return a transaction that puts tables that drop packets to these addresses in place of any that there are.

    With `ipvs` what IPVS hands to programs of this machine is let in; a kernel without xt_ipvs refuses that.
    """
    parsed = [ip_address(address) for address in addresses]
    messages = _removal()
    for version in FAMILIES:
        packed = [address.packed for address in parsed if address.version == version]
        messages += _table(version, packed, ipvs=ipvs) if packed else []
    return _transaction(messages)


def dropping_nothing() -> bytes:
    """Return a transaction that removes our tables, if there are any."""
    return _transaction(_removal())


def _removal() -> list[bytes]:
    """Return what removes our tables; each is put first, because removing what is not there is an error."""
    return [_table_message(kind, family) for family, *_ in FAMILIES.values() for kind in (NEWTABLE, DELTABLE)]


def _table(version: int, packed: Sequence[bytes], *, ipvs: bool) -> list[bytes]:
    from pyroute2.netlink.nfnetlink.nftsocket import (  # noqa: PLC0415
        nft_chain_msg,
        nft_rule_msg,
        nft_set_elem_list_msg,
        nft_set_msg,
    )

    family, kind, offset, size = FAMILIES[version]
    hook = _attributes("HOOK", HOOKNUM=LOCAL_IN, PRIORITY=PRIORITY)
    chain = _attributes("CHAIN", TABLE=TABLE, NAME="input", HOOK=hook, POLICY=ACCEPT, TYPE="filter")
    listed = _attributes("SET", TABLE=TABLE, NAME="refused", FLAGS=(), KEY_TYPE=kind, KEY_LEN=size, ID=1)
    messages = [
        _table_message(NEWTABLE, family),
        _packed(nft_chain_msg(), NEWCHAIN, family, chain),
        _packed(nft_set_msg(), NEWSET, family, listed),
    ]
    for start in range(0, len(packed), MANY):
        elements = [_attributes("SET_ELEM", KEY=_value(address)) for address in packed[start : start + MANY]]
        added = _attributes("SET_ELEM_LIST", TABLE=TABLE, SET="refused", ELEMENTS=elements)
        messages.append(_packed(nft_set_elem_list_msg(), NEWSETELEM, family, added))
    ours = [_payload(NETWORK_HEADER, offset, size), _expression("lookup", SET="refused", SREG=1)]
    untaken = [_expression("match", NAME="ipvs", REV=0, INFO=NOT_IPVS)] if ipvs else []
    rules = [[*_neighbour_discovery(), _verdict(ACCEPT)]] if version == 6 else []
    rules.append([*ours, *untaken, _verdict(DROP)])
    for expressions in rules:
        rule = _attributes("RULE", TABLE=TABLE, CHAIN="input", EXPRESSIONS=expressions)
        messages.append(_packed(nft_rule_msg(), NEWRULE, family, rule))
    return messages


def _neighbour_discovery() -> list[Any]:
    """Return what matches neighbour solicitations and advertisements (RFC 4861 sections 4.3 and 4.4)."""
    protocol = [_expression("meta", KEY=TRANSPORT_PROTOCOL, DREG=1), _compared(EQUAL, ICMPV6)]
    kinds = [_compared(AT_LEAST, SOLICITATION), _compared(AT_MOST, ADVERTISEMENT)]
    return [*protocol, _payload(TRANSPORT_HEADER, 0, 1), *kinds]


def _payload(base: int, offset: int, size: int) -> Any:
    return _expression("payload", DREG=1, BASE=base, OFFSET=offset, LEN=size)


def _compared(how: int, value: int) -> Any:
    return _expression("cmp", SREG=1, OP=how, DATA=_value(bytes([value])))


def _verdict(code: int) -> Any:
    return _expression("immediate", DREG=0, DATA=_attributes("DATA", VERDICT=_attributes("VERDICT", CODE=code)))


def _value(value: bytes) -> Any:
    return _attributes("DATA", VALUE=value)


def _expression(name: str, **attributes: Any) -> Any:
    return _attributes("EXPR", NAME=name, DATA=_attributes(name.upper(), **attributes))


def _attributes(prefix: str, **attributes: Any) -> Any:
    return {"attrs": [(f"NFTA_{prefix}_{name}", value) for name, value in attributes.items()]}


def _table_message(kind: int, family: int) -> bytes:
    from pyroute2.netlink.nfnetlink.nftsocket import nft_table_msg  # noqa: PLC0415

    return _packed(nft_table_msg(), kind, family, _attributes("TABLE", NAME=TABLE))


def _packed(message: Any, kind: int, family: int, attributes: Any) -> bytes:
    message["header"]["type"] = SUBSYSTEM << 8 | kind
    message["header"]["flags"] = NLM_F_REQUEST | CREATE | APPEND
    message["nfgen_family"] = family
    message["attrs"] = attributes["attrs"]
    message.encode()
    return bytes(message.data[: message["header"]["length"]])


def _transaction(messages: Iterable[bytes]) -> bytes:
    """Return messages in one batch, of which the last asks for an answer; what is refused answers in any case."""
    *others, last = messages
    flags, sequence = FLAGS.unpack_from(last, FLAGS_AT)
    last = last[:FLAGS_AT] + FLAGS.pack(flags | NLM_F_ACK, sequence) + last[FLAGS_AT + FLAGS.size :]
    begin, end = (
        MARK.pack(MARK.size, kind, NLM_F_REQUEST, 0, 0, 0, 0, SUBSYSTEM.to_bytes(2, "big")) for kind in (BEGIN, END)
    )
    return b"".join([begin, *others, last, end])
