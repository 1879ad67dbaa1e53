"""Hypothesis strategies for the model's words, small on purpose so that collisions happen."""

from hypothesis import strategies as st

from healthlb.model.config import Quorum, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Feedback, Schedule
from healthlb.model.table import (
    Destination,
    IpvsTable,
    Method,
    Persistence,
    Service,
    ServiceKey,
    ServiceRow,
    Timeouts,
    Tunnel,
)

endpoints = st.builds(
    Endpoint, st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"]), st.integers(1, 3)
)
service_keys = st.sampled_from(
    [
        ServiceKey.at("tcp", Endpoint("192.0.2.1", 80)),
        ServiceKey.at("udp", Endpoint("2001:db8::1", 53)),
        ServiceKey.at("sctp", Endpoint("192.0.2.1", 80)),
        ServiceKey.marked(1, "inet"),
        ServiceKey.marked(1, "inet6"),
    ]
)
services = st.builds(
    Service,
    key=service_keys,
    scheduler=st.sampled_from(["rr", "wlc", "sh"]),
    scheduler_flags=st.frozensets(st.sampled_from(["flag-1", "flag-2"])),
    persistence=st.none() | st.builds(Persistence, st.integers(1, 3), st.sampled_from([24, 32])),
    one_packet=st.booleans(),
)
methods = st.sampled_from(
    [Method("nat"), Method("dr"), Method("tunnel", Tunnel()), Method("tunnel", Tunnel("gue", 6080))]
)
destinations = st.builds(
    Destination,
    address=endpoints,
    method=methods,
    weight=st.integers(0, 3),
    upper_threshold=st.integers(0, 2),
    lower_threshold=st.integers(0, 1),
)
rows = st.builds(
    lambda service, found: ServiceRow(service, {each.address: each for each in found}),
    services,
    st.lists(destinations, max_size=5),
)
timeouts = st.builds(Timeouts, st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))
tables = st.builds(
    lambda found, times: IpvsTable({row.service.key: row for row in found}, times),
    st.lists(rows, max_size=5),
    st.none() | timeouts,
)
schedules = st.builds(
    Schedule,
    interval=st.just(2.0),
    timeout=st.just(1.0),
    rise=st.integers(1, 4),
    fall=st.integers(1, 4),
    fast_interval=st.just(0.5),
    down_interval=st.just(5.0),
)
feedbacks = st.builds(
    Feedback,
    weight=st.none() | st.integers(0, 70000) | st.integers(0, 3),
    percent=st.booleans(),
    admin=st.sampled_from([None, "ready", "drain", "maint"]),
)


def real_server(endpoint: Endpoint, **changes: object) -> RealServer:
    """Return a real server without checks."""
    return RealServer(name=str(endpoint), address=endpoint, method=Method("nat"), probes=(), **changes)  # type: ignore[arg-type]


virtual_servers = st.builds(
    lambda service, found, weights, on_failure, initial: VirtualServer(
        name="shop",
        service=service,
        method=Method("nat"),
        real_servers=tuple(
            real_server(each, weight=weight, on_failure=on_failure, initial=initial)
            for each, weight in zip(found, weights, strict=True)
        ),
        quorum=Quorum(),
    ),
    services,
    st.just([Endpoint("192.0.2.1", 1), Endpoint("192.0.2.2", 1), Endpoint("192.0.2.2", 2)]),
    st.lists(st.integers(0, 3), min_size=3, max_size=3),
    st.sampled_from(["quiesce", "remove"]),
    st.sampled_from(["wait", "trust"]),
)
