"""Hypothesis strategies for the model's words, small on purpose so that collisions happen."""

from hypothesis import strategies as st

from healthlb.core.desired import Standing
from healthlb.core.policy import Ending, Leaving, Level
from healthlb.model.config import FlapDamping, Quorum, RealServer, VirtualServer
from healthlb.model.endpoint import Endpoint
from healthlb.model.health import Feedback, Health, Schedule
from healthlb.model.overrides import NOT_OVERRIDDEN, Applied
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

NOW = 1_000_000.0
"""The moment of the decisions below; their other moments lie about it."""
moments = st.integers(-80, 80).map(lambda seconds: NOW + seconds)
orders = st.just(NOT_OVERRIDDEN) | st.builds(
    Applied,
    admin=st.sampled_from([None, "drain", "disable"]),
    remove=st.booleans(),
    deadline=st.none() | moments,
    weight=st.none() | st.integers(0, 50),
)


@st.composite
def standings(draw: st.DrawFn, healths: st.SearchStrategy[Health], *, plain: bool) -> Standing:
    """Return a standing as a director may have it; a plain one has neither feedback nor orders."""
    health = draw(healths)
    recovered = draw(st.none() | moments) if health is Health.UP else None
    return Standing(
        health,
        failing=draw(st.booleans()) if health is Health.UNKNOWN else health is Health.DOWN,
        feedback=() if plain else tuple(draw(st.lists(feedbacks, max_size=1))),
        turned_at=recovered or draw(moments),
        recovered_at=recovered,
        held_until=draw(st.none() | moments),
        applied=NOT_OVERRIDDEN if plain else draw(orders),
    )


REAL = [Endpoint("192.0.2.1", port) for port in range(1, 6)]
SORRY = [Endpoint("192.0.2.2", port) for port in range(1, 3)]
GONE = [Endpoint("2001:db8::1", port) for port in range(1, 3)]
DAMPING = FlapDamping(3)


KINDS = [
    {"on_failure": failed, "initial": initial, "slow_start": climb, "drain_timeout": drain, "flap_damping": damping}
    for failed in ("quiesce", "remove")
    for initial in ("wait", "trust")
    for climb in (0.0, 20.0, 60.0)
    for drain in (0.0, 40.0)
    for damping in (None, DAMPING)
]
"""Every sort of real server that a pool with policy may have, as one draw."""


def pool_servers(address: Endpoint, weight: st.SearchStrategy[int]) -> st.SearchStrategy[RealServer]:
    """Return real servers of a pool with policy."""
    return st.builds(lambda kind, given: real_server(address, weight=given, **kind), st.sampled_from(KINDS), weight)


pool_services = st.sampled_from(
    [
        Service(ServiceKey.at("tcp", Endpoint("198.51.100.1", 80)), "rr"),
        Service(ServiceKey.at("udp", Endpoint("198.51.100.1", 53)), "rr"),
        Service(ServiceKey.at("tcp", Endpoint("198.51.100.1", 443)), "rr", persistence=Persistence(300, 32)),
    ]
)
any_weight = st.integers(0, 50)
any_health = st.sampled_from(Health)
verdicts = st.sampled_from([Health.UP, Health.DOWN])


@st.composite
def levels(
    draw: st.DrawFn,
    *,
    weight: st.SearchStrategy[int] = any_weight,
    healths: st.SearchStrategy[Health] = any_health,
    plain: bool = False,
) -> Level:
    """Return what is known of a pool of one to five servers at NOW."""
    found = REAL[: draw(st.integers(1, 5))]
    sorry = SORRY[: draw(st.integers(0, 2))]
    server = VirtualServer(
        name="shop",
        service=draw(pool_services),
        method=Method("nat"),
        real_servers=tuple(draw(pool_servers(each, weight)) for each in found),
        quorum=Quorum(draw(st.integers(1, 60)), draw(st.integers(0, 20))),
        panic=draw(st.sampled_from([0.0, 0.0, 20.0, 50.0, 100.0])),
        sorry_servers=tuple(draw(pool_servers(each, weight)) for each in sorry),
    )
    ending = st.dictionaries(
        st.sampled_from(REAL + SORRY + GONE), st.builds(Ending, moments, st.booleans()), max_size=4
    )
    return Level(
        server,
        [draw(standings(healths, plain=plain)) for _ in found],
        [draw(standings(any_health, plain=plain)) for _ in sorry],
        draw(st.sampled_from([None, True, False])),
        tuple(
            Leaving(each, draw(moments), draw(st.sampled_from([0.0, 30.0]))) for each in GONE[: draw(st.integers(0, 2))]
        ),
        draw(ending),
    )


present_rows = st.dictionaries(
    st.sampled_from(REAL + SORRY + GONE), st.integers(0, 50) | st.sampled_from([0, 1]), max_size=8
).map(lambda weights: {each: Destination(each, Method("nat"), weight) for each, weight in weights.items()})
