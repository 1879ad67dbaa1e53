"""The rows of an IPVS table: services and their destinations, as ipvsadm(8) names their attributes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from healthlb.model.endpoint import Endpoint, Family

Protocol = Literal["tcp", "udp", "sctp"]
SchedulerFlag = Literal["flag-1", "flag-2", "flag-3"]
TunnelType = Literal["ipip", "gue", "gre"]
TunnelChecksum = Literal["none", "csum", "remcsum"]


@dataclass(frozen=True, slots=True, order=True)
class ServiceKey:
    """What identifies a service in the kernel: protocol, address and port; or a firewall mark and a family."""

    protocol: Protocol | Literal["fwmark"]
    address: str
    port: int
    fwmark: int
    family: Family

    @classmethod
    def at(cls, protocol: Protocol, endpoint: Endpoint) -> "ServiceKey":
        """Return the key of a service that listens on an address."""
        return cls(protocol, endpoint.address, endpoint.port, 0, endpoint.family)

    @classmethod
    def marked(cls, fwmark: int, family: Family) -> "ServiceKey":
        """Return the key of a service that takes the packets with a firewall mark."""
        return cls("fwmark", "", 0, fwmark, family)

    def __str__(self) -> str:
        """`tcp 192.0.2.1:80`, or `fwmark 25` with the family where it is not IPv4."""
        if self.protocol == "fwmark":
            return f"fwmark {self.fwmark}" + (" inet6" if self.family == "inet6" else "")
        return f"{self.protocol} {Endpoint(self.address, self.port)}"


@dataclass(frozen=True, slots=True)
class Persistence:
    """Client affinity: `timeout` in whole seconds, `prefix` bits of the client address, `engine` `""` or `"sip"`.

    A netmask that the kernel holds and that is no prefix reads as prefix -1, which equals no configured one.
    """

    timeout: int
    prefix: int
    engine: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """One service row. The scheduler's flags are the kernel's three numbered bits (`sh-port` is `flag-2` of sh)."""

    key: ServiceKey
    scheduler: str
    scheduler_flags: frozenset[SchedulerFlag] = frozenset()
    persistence: Persistence | None = None
    one_packet: bool = False


@dataclass(frozen=True, slots=True)
class Tunnel:
    """How a tunnelled packet is wrapped. `port` is the UDP port of gue and 0 otherwise."""

    type: TunnelType = "ipip"
    port: int = 0
    checksum: TunnelChecksum = "none"


@dataclass(frozen=True, slots=True)
class Method:
    """The forwarding method; `local` and `bypass` are read from foreign rows and never configured."""

    kind: Literal["nat", "dr", "tunnel", "local", "bypass"]
    tunnel: Tunnel | None = None

    def __str__(self) -> str:
        """`nat`, `dr`, `tunnel`, or `tunnel gue port 6080`."""
        if self.tunnel is None or self.tunnel == Tunnel():
            return self.kind
        words: list[str] = [self.kind, self.tunnel.type]
        if self.tunnel.port:
            words += ["port", str(self.tunnel.port)]
        if self.tunnel.checksum != "none":
            words.append(self.tunnel.checksum)
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Destination:
    """One destination row. A threshold of 0 means none (ipvsadm(8), -x and -y)."""

    address: Endpoint
    method: Method
    weight: int = 1
    upper_threshold: int = 0
    lower_threshold: int = 0


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """A service together with its destinations, keyed by their address and port."""

    service: Service
    destinations: Mapping[Endpoint, Destination] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Connection timeouts in whole seconds (ipvsadm(8), --set); 0 leaves the kernel's own."""

    tcp: int = 0
    tcp_fin: int = 0
    udp: int = 0


@dataclass(frozen=True, slots=True)
class IpvsTable:
    """A whole table. The mappings are never changed after the table is made."""

    services: Mapping[ServiceKey, ServiceRow] = field(default_factory=dict)
    timeouts: Timeouts | None = None
