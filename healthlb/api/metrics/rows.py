"""What is said of a row in the kernel's table: its labels, and the families of what the kernel counts of it."""

from healthlb.api.exposition import Measure, measures
from healthlb.model.counters import Usage
from healthlb.model.endpoint import Endpoint
from healthlb.model.table import ServiceKey

LOCAL = ("local_address", "local_port", "proto", "local_mark")
REMOTE = ("remote_address", "remote_port")


def local(key: ServiceKey) -> dict[str, str]:
    """Return a service's labels as node_exporter's ipvs collector spells them, `proto` and the hexadecimal mark too."""
    if key.protocol == "fwmark":
        return {"local_address": "", "local_port": "0", "proto": "FWM", "local_mark": f"{key.fwmark:08X}"}
    return {
        "local_address": key.address,
        "local_port": str(key.port),
        "proto": key.protocol.upper(),
        "local_mark": "",
    }


def remote(address: Endpoint) -> dict[str, str]:
    """Return the labels that a destination has more than its service."""
    return {"remote_address": address.address, "remote_port": str(address.port)}


def usage_measures(prefix: str, subject: str, label_names: tuple[str, ...]) -> tuple[Measure[Usage], ...]:
    """Return the families of what the kernel counts of a kind of row."""
    row = f"of the kernel's row of the {subject}."
    guess = f"{row[:-1]}, as the kernel estimates them."
    return measures(
        prefix,
        label_names,
        ("connections_active", "gauge", f"Established connections of the {subject}.", lambda usage: usage.active),
        ("connections_inactive", "gauge", f"Other connections of the {subject}.", lambda usage: usage.inactive),
        (
            "connections_persistent",
            "gauge",
            f"Persistence templates of the {subject}.",
            lambda usage: usage.persistent,
        ),
        ("connections_total", "counter", f"Connections {row}", lambda usage: usage.stats.connections),
        ("incoming_packets_total", "counter", f"Packets in {row}", lambda usage: usage.stats.in_packets),
        ("outgoing_packets_total", "counter", f"Packets out {row}", lambda usage: usage.stats.out_packets),
        ("incoming_bytes_total", "counter", f"Bytes in {row}", lambda usage: usage.stats.in_bytes),
        ("outgoing_bytes_total", "counter", f"Bytes out {row}", lambda usage: usage.stats.out_bytes),
        ("connections_per_second", "gauge", f"Connections a second {guess}", lambda usage: usage.rates.connections),
        (
            "incoming_packets_per_second",
            "gauge",
            f"Packets in a second {guess}",
            lambda usage: usage.rates.in_packets,
        ),
        (
            "outgoing_packets_per_second",
            "gauge",
            f"Packets out a second {guess}",
            lambda usage: usage.rates.out_packets,
        ),
        ("incoming_bytes_per_second", "gauge", f"Bytes in a second {guess}", lambda usage: usage.rates.in_bytes),
        ("outgoing_bytes_per_second", "gauge", f"Bytes out a second {guess}", lambda usage: usage.rates.out_bytes),
    )
