"""Events as keepalived's lvs_notify_fifo tells them, for programs that were written for it.

    VS [192.0.2.1]:tcp:80 UP
    RS [192.0.2.11]:tcp:8080 [192.0.2.1]:tcp:80 DOWN
    RS [192.0.2.11]:none:8080 FWM 25 DOWN

keepalived.conf(5), lvs_notify_fifo; the forms with a firewall mark are what keepalived 2.2.7 writes. A virtual server
is UP while it has its quorum.
"""

from collections.abc import Iterable

from healthlb.model.endpoint import Endpoint
from healthlb.model.occurrence import Occurrence
from healthlb.model.table import ServiceKey

STATES = {"real_server_up": "UP", "real_server_down": "DOWN", "quorum_regained": "UP", "quorum_lost": "DOWN"}


def lines(events: Iterable[Occurrence]) -> list[str]:
    """Return a line for each event that keepalived has one for."""
    return [line for event in events if (line := _line(event)) is not None]


def _line(event: Occurrence) -> str | None:
    state, service, address = STATES.get(event.name), event.service, event.address
    if state is None or service is None:
        return None
    if event.real_server is None:
        return f"VS {_virtual(service)} {state}\n"
    if address is None:
        return None
    protocol = "none" if service.protocol == "fwmark" else service.protocol
    return f"RS {_trio(address, protocol)} {_virtual(service)} {state}\n"


def _virtual(service: ServiceKey) -> str:
    if service.protocol == "fwmark":
        return f"FWM {service.fwmark}"
    return _trio(Endpoint(service.address, service.port), service.protocol)


def _trio(address: Endpoint, protocol: str) -> str:
    return f"[{address.address}]:{protocol}:{address.port}"
