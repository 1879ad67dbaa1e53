"""What the kernel counts: the numbers behind `ipvsadm -Ln --stats` and `--rate`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from healthlb.model.endpoint import Endpoint
from healthlb.model.table import IpvsTable, ServiceKey


@dataclass(frozen=True, slots=True)
class Traffic:
    """Five counters: totals since the row was made, or the kernel's estimate of each per second."""

    connections: int = 0
    in_packets: int = 0
    out_packets: int = 0
    in_bytes: int = 0
    out_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """The traffic of one row. Connection counts are those of a destination; a service has none of its own."""

    stats: Traffic = Traffic()
    rates: Traffic = Traffic()
    active: int = 0
    inactive: int = 0
    persistent: int = 0


@dataclass(frozen=True, slots=True)
class TableReading:
    """One look at the table: the rows, and the usage of each service and each destination.

    `version` is that of the kernel's IPVS, `1.2.1`, and `slots` the size of its table of connections.
    """

    table: IpvsTable = field(default_factory=IpvsTable)
    services: Mapping[ServiceKey, Usage] = field(default_factory=dict)
    destinations: Mapping[ServiceKey, Mapping[Endpoint, Usage]] = field(default_factory=dict)
    version: str = ""
    slots: int = 0
