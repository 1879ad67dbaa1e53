"""The numbers of the IPVS netlink family, spelled as in Linux include/uapi/linux/ip_vs.h without their prefixes."""

import socket
from collections.abc import Mapping
from typing import Final, Literal

from healthlb.model.endpoint import Family
from healthlb.model.table import Protocol, SchedulerFlag, TunnelChecksum, TunnelType
from healthlb.model.vrrp import SyncRole

FAMILY_NAME = "IPVS"
# The kernel's name fields hold 16 bytes with the closing NUL (IP_VS_SCHEDNAME_MAXLEN, IP_VS_PENAME_MAXLEN).
NAME_LENGTH = 15

# IPVS_CMD_*
NEW_SERVICE, SET_SERVICE, DEL_SERVICE, GET_SERVICE = 1, 2, 3, 4
NEW_DEST, SET_DEST, DEL_DEST, GET_DEST = 5, 6, 7, 8
NEW_DAEMON, DEL_DAEMON, GET_DAEMON = 9, 10, 11
SET_CONFIG, GET_CONFIG = 12, 13
GET_INFO = 15

# IPVS_CMD_ATTR_*
SERVICE, DEST, DAEMON = 1, 2, 3
TIMEOUT_TCP, TIMEOUT_TCP_FIN, TIMEOUT_UDP = 4, 5, 6

# IPVS_INFO_ATTR_*
INFO_VERSION, INFO_CONN_TAB_SIZE = 1, 2

# IPVS_SVC_ATTR_*
SVC_AF, SVC_PROTOCOL, SVC_ADDR, SVC_PORT, SVC_FWMARK, SVC_SCHED_NAME, SVC_FLAGS = 1, 2, 3, 4, 5, 6, 7
SVC_TIMEOUT, SVC_NETMASK, SVC_STATS, SVC_PE_NAME, SVC_STATS64 = 8, 9, 10, 11, 12

# IPVS_DEST_ATTR_*
DEST_ADDR, DEST_PORT, DEST_FWD_METHOD, DEST_WEIGHT, DEST_U_THRESH, DEST_L_THRESH = 1, 2, 3, 4, 5, 6
DEST_ACTIVE_CONNS, DEST_INACT_CONNS, DEST_PERSIST_CONNS, DEST_STATS, DEST_ADDR_FAMILY = 7, 8, 9, 10, 11
DEST_STATS64, DEST_TUN_TYPE, DEST_TUN_PORT, DEST_TUN_FLAGS = 12, 13, 14, 15

# IPVS_DAEMON_ATTR_*
DAEMON_STATE, DAEMON_MCAST_IFN, DAEMON_SYNC_ID, DAEMON_SYNC_MAXLEN = 1, 2, 3, 4
DAEMON_MCAST_GROUP, DAEMON_MCAST_GROUP6, DAEMON_MCAST_PORT, DAEMON_MCAST_TTL = 5, 6, 7, 8

# IP_VS_STATE_*
SYNC_ROLES: Final[Mapping[SyncRole, int]] = {"master": 1, "backup": 2}

# IP_VS_SVC_F_*
SVC_F_PERSISTENT, SVC_F_ONEPACKET = 0x1, 0x4
SCHEDULER_FLAGS: Final[Mapping[SchedulerFlag, int]] = {"flag-1": 0x8, "flag-2": 0x10, "flag-3": 0x20}

# IP_VS_CONN_F_*, IP_VS_CONN_F_TUNNEL_TYPE_*, IP_VS_TUNNEL_ENCAP_FLAG_*
FWD_MASK = 0x7
MethodKind = Literal["nat", "local", "tunnel", "dr", "bypass"]
METHODS: Final[Mapping[MethodKind, int]] = {"nat": 0, "local": 1, "tunnel": 2, "dr": 3, "bypass": 4}
TUNNELS: Final[Mapping[TunnelType, int]] = {"ipip": 0, "gue": 1, "gre": 2}
CHECKSUMS: Final[Mapping[TunnelChecksum, int]] = {"none": 0, "csum": 1, "remcsum": 2}

PROTOCOLS: Final[Mapping[Protocol, int]] = {
    "tcp": socket.IPPROTO_TCP,
    "udp": socket.IPPROTO_UDP,
    "sctp": socket.IPPROTO_SCTP,
}
FAMILIES: Final[Mapping[Family, int]] = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
