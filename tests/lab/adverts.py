"""Adverts as they are on the wire, each with the moment at which the kernel had it."""

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from typing import Self

from pair import PairNetwork
from traffic import PATIENCE

ETH_P_IP = 0x0800
SO_TIMESTAMPNS = 35
TIMESPEC = struct.Struct("@ll")
PROTOCOL_AT, VRRP = 23, 112
"""Where an Ethernet frame with an IPv4 packet says what that carries, and what it says for VRRP (RFC 9568)."""
SOURCE_AT, ADVERT_AT = 26, 34
"""Where that packet has its sender, and where an advert begins in it (IPv4 without options, RFC 791)."""


@dataclass(frozen=True, slots=True)
class Advert:
    """One advert for IPv4: when it was on the wire (UNIX seconds), who sent it, and what it said."""

    at: float
    source: str
    router_id: int
    priority: int


class Adverts:
    """Hears all IPv4 adverts of a pair's outer network that go by multicast, while the context lasts."""

    def __init__(self, network: PairNetwork) -> None:
        self.heard: list[Advert] = []
        with network.beside.inside():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        self._socket.bind(("eth0", ETH_P_IP))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.settimeout(0.2)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join(PATIENCE)
        self._socket.close()

    def _listen(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                frame, controls, _, _ = self._socket.recvmsg(2048, 128)
                if len(frame) >= ADVERT_AT + 8 and frame[PROTOCOL_AT] == VRRP:
                    seconds, nanoseconds = TIMESPEC.unpack(controls[0][2][: TIMESPEC.size])
                    source = socket.inet_ntoa(frame[SOURCE_AT : SOURCE_AT + 4])
                    router_id, priority = frame[ADVERT_AT + 1 : ADVERT_AT + 3]
                    self.heard.append(Advert(seconds + nanoseconds / 1e9, source, router_id, priority))
